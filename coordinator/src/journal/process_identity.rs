//! Which machine this is, and whether a process of it lives.

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

/// This machine since it was started, and the processes that are seen from here: the kernel's boot id (random(4)) and
/// the namespace of process ids (`pid_namespaces(7)`). None where `/proc` does not say.
pub(super) fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Whether a process of this machine has ended. A number that another process has by now counts as living, and so does
/// one that may not be asked for.
pub(super) fn has_ended(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    // Without a signal it is only seen whether there is such a process (kill(2)). 0 would be this one's group.
    pid > 0 && kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_stays_the_same_and_knows_which_of_its_processes_live() {
        assert_eq!(machine(), machine());
        assert!(machine().is_some_and(|machine| machine.len() > 36));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        // Also one that has not been waited for: it may have been the owner of a journal until just now.
        assert!(!has_ended(child.id()));
        child.wait().unwrap();
        assert!(has_ended(child.id()));
        assert!(!has_ended(std::process::id()));
        assert!(!has_ended(1), "of another user, perhaps");
        assert!(!has_ended(0) && !has_ended(u32::MAX));
    }
}
