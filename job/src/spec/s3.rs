//! What the policy or the owner of a bucket may require of requests and objects.

use std::str::FromStr;

/// Settings that S3 would refuse, or that would not do what they are for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum S3SettingsError {
    /// A key without an encryption that uses keys.
    #[error("--sse-kms-key-id needs --sse aws:kms or --sse aws:kms:dsse")]
    KeyWithoutKms,
    /// Not an [`Sse`].
    #[error("use AES256, aws:kms or aws:kms:dsse")]
    UnknownSse,
    /// A storage class whose objects must be restored before they can be read.
    #[error(
        "the job cannot read its own journal in class {0} without a restore: write to another class, and let a \
         lifecycle rule of the bucket move the backup"
    )]
    ArchiveClass(String),
    /// Not one of [`STORAGE_CLASSES`].
    #[error("use one of {}", STORAGE_CLASSES.join(", "))]
    UnknownStorageClass,
    /// Not the id of an account.
    #[error("give 12 digits, the id of an AWS account")]
    Account,
    /// Not a KMS key.
    #[error("give a key's id, its ARN or its alias")]
    KmsKey,
    /// More tags than an object may have.
    #[error("{0} tags: an object has {MAX_TAGS} at most")]
    TooManyTags(usize),
    /// Text that is not a tag.
    #[error("{0:?} is not key=value")]
    NotATag(String),
    /// A tag with an empty key.
    #[error("a tag without a key: give key=value,key=value")]
    TagWithoutKey,
    /// A tag that breaks another rule.
    #[error("tag {key:?}: {defect}")]
    Tag {
        /// The tag's key.
        key: String,
        /// The rule.
        defect: TagDefect,
    },
}

/// The rule that a tag breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagDefect {
    /// The key is too long.
    #[error("a key has {MAX_TAG_KEY} characters at most")]
    LongKey,
    /// The value is too long.
    #[error("a value has {MAX_TAG_VALUE} characters at most")]
    LongValue,
    /// The key has a prefix that AWS reserves.
    #[error("keys that begin with aws: belong to AWS")]
    Reserved,
    /// Key or value has characters that S3 refuses.
    #[error("only letters, digits, spaces and + - = . _ : / @ may be in a tag")]
    Characters,
    /// Another tag has the same key.
    #[error("the key is given twice")]
    Twice,
}

/// Settings of requests to S3 that the job itself does not need: checks of the bucket, and properties of the objects
/// that are written. They hold for every bucket of a command: that of the backup, of the state of an import, and of
/// its rejected lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Settings {
    /// The AWS account that must own the bucket. S3 refuses requests to a bucket of another account.
    pub bucket_owner: Option<String>,
    /// Whether the caller pays for requests and data, instead of the bucket's owner.
    pub requester_pays: bool,
    /// Canned ACL of objects.
    pub acl: Option<String>,
    /// How S3 encrypts objects.
    pub sse: Option<Sse>,
    /// The KMS key for it: id, ARN or alias. By default S3 uses the AWS managed key.
    pub sse_kms_key_id: Option<String>,
    /// Storage class of objects, one of [`STORAGE_CLASSES`].
    pub storage_class: Option<String>,
    /// Tags of objects, in the order given.
    pub tags: Tags,
}

impl S3Settings {
    /// Checks that the settings don't contradict each other.
    ///
    /// # Errors
    /// Fails if they do.
    pub fn check(&self) -> Result<(), S3SettingsError> {
        let uses_key = matches!(self.sse, Some(Sse::Kms | Sse::KmsDsse));
        if self.sse_kms_key_id.is_some() && !uses_key {
            return Err(S3SettingsError::KeyWithoutKms);
        }
        Ok(())
    }
}

/// Server-side encryption (Amazon S3 API Reference, `PutObject`, `x-amz-server-side-encryption`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sse {
    /// With keys managed by S3.
    Aes256,
    /// With a KMS key.
    Kms,
    /// With a KMS key, in two layers.
    KmsDsse,
}

impl Sse {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Aes256, Self::Kms, Self::KmsDsse];

    /// Its name in S3.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
            Self::KmsDsse => "aws:kms:dsse",
        }
    }
}

impl FromStr for Sse {
    type Err = S3SettingsError;
    fn from_str(name: &str) -> Result<Self, S3SettingsError> {
        let found = Self::ALL.into_iter().find(|sse| sse.name() == name);
        found.ok_or(S3SettingsError::UnknownSse)
    }
}

/// The storage classes whose objects can be read at once (Amazon S3 User Guide, "Understanding and managing
/// Amazon S3 storage classes").
pub const STORAGE_CLASSES: [&str; 6] =
    ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"];
/// The storage classes whose objects must be restored before they can be read.
const ARCHIVE_CLASSES: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

/// Parses the name of a storage class.
///
/// # Errors
/// Fails if it is not one of [`STORAGE_CLASSES`].
pub fn storage_class(name: &str) -> Result<String, S3SettingsError> {
    if STORAGE_CLASSES.contains(&name) {
        return Ok(name.to_owned());
    }
    if ARCHIVE_CLASSES.contains(&name) {
        return Err(S3SettingsError::ArchiveClass(name.to_owned()));
    }
    Err(S3SettingsError::UnknownStorageClass)
}

/// Parses the id of an AWS account.
///
/// # Errors
/// Fails if it is not 12 digits.
pub fn account(id: &str) -> Result<String, S3SettingsError> {
    let is_account = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit());
    if is_account { Ok(id.to_owned()) } else { Err(S3SettingsError::Account) }
}

/// Parses a KMS key: an id, an ARN or an alias. All three consist of visible ASCII characters.
///
/// # Errors
/// Fails if it is empty or has other characters.
pub fn kms_key(id: &str) -> Result<String, S3SettingsError> {
    let is_key = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_key { Ok(id.to_owned()) } else { Err(S3SettingsError::KmsKey) }
}

/// Tags of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

/// Amazon S3 User Guide, "Categorizing your objects using tags"; lengths in UTF-16 code units.
const MAX_TAGS: usize = 10;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

impl Tags {
    /// Validates tags against the rules of S3.
    ///
    /// # Errors
    /// Fails if a tag breaks a rule.
    pub fn new(tags: Vec<(String, String)>) -> Result<Self, S3SettingsError> {
        if tags.len() > MAX_TAGS {
            return Err(S3SettingsError::TooManyTags(tags.len()));
        }
        for (at, (key, value)) in tags.iter().enumerate() {
            let wrong = |defect| Err(S3SettingsError::Tag { key: key.clone(), defect });
            let length = |text: &str| text.encode_utf16().count();
            if key.is_empty() {
                return Err(S3SettingsError::TagWithoutKey);
            }
            if length(key) > MAX_TAG_KEY {
                return wrong(TagDefect::LongKey);
            }
            if length(value) > MAX_TAG_VALUE {
                return wrong(TagDefect::LongValue);
            }
            if key.to_ascii_lowercase().starts_with("aws:") {
                return wrong(TagDefect::Reserved);
            }
            if !key.chars().chain(value.chars()).all(is_of_tag) {
                return wrong(TagDefect::Characters);
            }
            if tags[..at].iter().any(|(other, _)| other == key) {
                return wrong(TagDefect::Twice);
            }
        }
        Ok(Self(tags))
    }

    /// The key and value of each tag.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are no tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `x-amz-tagging`: encoded like the parameters of a URL.
    pub fn header(&self) -> String {
        let pairs: Vec<String> =
            self.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        pairs.join("&")
    }
}

impl FromStr for Tags {
    type Err = S3SettingsError;

    /// Parses `key=value,key=value`. A comma can't be in a tag. All after the first `=` is the value.
    fn from_str(text: &str) -> Result<Self, S3SettingsError> {
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty()).map(|pair| {
            let pair = pair.trim();
            let (key, value) =
                pair.split_once('=').ok_or_else(|| S3SettingsError::NotATag(pair.to_owned()))?;
            Ok((key.to_owned(), value.to_owned()))
        });
        Self::new(pairs.collect::<Result<_, S3SettingsError>>()?)
    }
}

/// Amazon S3 API Reference: `^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`, but without the two line ends of `\p{Z}`.
fn is_of_tag(letter: char) -> bool {
    letter.is_alphanumeric()
        || letter.is_whitespace() && !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}')
        || "_.:/=+-@".contains(letter)
}

/// Encodes all but the unreserved characters of RFC 3986 as `%XX`.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Result<String, String> {
        text.parse::<Tags>().map(|tags| tags.header()).map_err(|error| error.to_string())
    }

    #[test]
    fn tags_are_encoded_as_in_a_url() {
        assert_eq!(tags("team=data,cost center=4711").as_deref(), Ok("team=data&cost%20center=4711"));
        assert_eq!(tags("a=b=c, d=x@y/z+1").as_deref(), Ok("a=b%3Dc&d=x%40y%2Fz%2B1"));
        assert_eq!(tags("größe=3,empty=").as_deref(), Ok("gr%C3%B6%C3%9Fe=3&empty="));
        assert_eq!(tags("").as_deref(), Ok(""));
    }

    #[test]
    fn tags_that_s3_would_refuse_are_refused_at_each_limit() {
        let many = |number: usize| (0..number).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert!(tags(&many(10)).is_ok());
        assert!(tags(&many(11)).unwrap_err().contains("10 at most"));
        assert!(tags(&format!("{}=v", "k".repeat(128))).is_ok());
        assert!(tags(&format!("{}=v", "k".repeat(129))).unwrap_err().contains("128 characters"));
        assert!(tags(&format!("k={}", "v".repeat(256))).is_ok());
        assert!(tags(&format!("k={}", "v".repeat(257))).unwrap_err().contains("256 characters"));
        for (wrong, why) in [
            ("team", "not key=value"),
            ("=x", "without a key"),
            ("a=1,a=2", "given twice"),
            ("aws:x=1", "belong to AWS"),
            ("AWS:x=1", "belong to AWS"),
            ("a=b&c", "only letters"),
            ("a=b\nc", "only letters"),
        ] {
            assert!(tags(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn a_class_that_must_be_restored_first_is_refused_with_another_way() {
        for class in STORAGE_CLASSES {
            assert_eq!(storage_class(class).as_deref(), Ok(class));
        }
        for class in ARCHIVE_CLASSES {
            assert!(storage_class(class).unwrap_err().to_string().contains("lifecycle rule"), "{class}");
        }
        assert!(storage_class("standard").unwrap_err().to_string().contains("STANDARD_IA"));
    }

    #[test]
    fn a_key_needs_an_encryption_that_uses_keys() {
        let with =
            |sse| S3Settings { sse, sse_kms_key_id: Some("alias/backup".into()), ..S3Settings::default() };
        assert!(with(None).check().is_err());
        assert!(with(Some(Sse::Aes256)).check().is_err());
        assert_eq!(with(Some(Sse::Kms)).check(), Ok(()));
        assert_eq!(with(Some(Sse::KmsDsse)).check(), Ok(()));
        assert_eq!(S3Settings { sse: Some(Sse::Kms), ..S3Settings::default() }.check(), Ok(()));
    }

    #[test]
    fn accounts_and_keys_look_like_such() {
        assert!(account("123456789012").is_ok());
        for wrong in ["", "12345678901", "1234567890123", "1234-5678-901", "arn:aws:iam"] {
            assert!(account(wrong).is_err(), "{wrong}");
        }
        assert!(
            kms_key("arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab").is_ok()
        );
        for wrong in ["", "a b", "a\nb", "schlüssel"] {
            assert!(kms_key(wrong).is_err(), "{wrong:?}");
        }
    }
}
