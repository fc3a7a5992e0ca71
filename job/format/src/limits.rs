//! The limits of items: DynamoDB's own, and how deep readers here follow them.

/// The most bytes of an item, by DynamoDB's rule (Developer Guide, "Quotas in Amazon DynamoDB").
pub const MAX_ITEM_BYTES: u64 = 400 * 1024;
/// The most bytes of a partition key's value (same source).
pub(crate) const MAX_PARTITION_KEY_BYTES: usize = 2048;
/// The most bytes of a sort key's value (same source).
pub(crate) const MAX_SORT_KEY_BYTES: usize = 1024;

/// The most levels of nesting. The value of an attribute is on the first level, the elements of a list or map in it are
/// on the second (`BatchWriteItem` accepts a string within 31 maps and refuses one within 32).
pub(crate) const MAX_LEVELS: usize = 32;

/// The most bytes of the name of an attribute or map element. The guide says "up to 64 KB"; the service's message is
/// "Attribute name is too large, must be less than 65536 bytes".
pub(crate) const MAX_NAME_BYTES: usize = 65_535;

/// The most nested levels of lists and maps that any reader here follows.
///
/// DynamoDB itself allows 32 (Developer Guide, "Quotas in Amazon DynamoDB", nested attribute depth). The rest is for
/// DynamoDB-compatible servers that count in another way.
pub(crate) const MAX_NESTING: usize = 48;
