//! Whether something is mounted over a file.

use std::{fs, os::unix::ffi::OsStrExt, path::Path};

/// Whether something is mounted over a file, as containers do. Nothing can be renamed over it (`rename(2)`, EBUSY).
/// Without `/proc`, none counts as one.
pub(super) fn is_mount_point(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    // The fifth field, in which blanks and backslashes are octal numbers (`proc_pid_mountinfo(5)`).
    let mut points =
        mounts.split(|&byte| byte == b'\n').filter_map(|line| line.split(|&byte| byte == b' ').nth(4));
    points.any(|point| without_escapes(point) == path.as_os_str().as_bytes())
}

fn without_escapes(field: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(field.len()), field);
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let byte = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_known_whatever_its_name() {
        assert!(is_mount_point(Path::new("/proc")) && !is_mount_point(Path::new("/proc/version")));
        for (field, plain) in
            [("/a", "/a"), ("/a\\040b\\134c", "/a b\\c"), ("/a\\04", "/a\\04"), ("/\\", "/\\")]
        {
            assert_eq!(without_escapes(field.as_bytes()), plain.as_bytes(), "{field}");
        }
    }
}
