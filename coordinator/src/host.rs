//! The machine that this process runs on.

/// The machine's name; empty if it has none.
pub(crate) fn name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
