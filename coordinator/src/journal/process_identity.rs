//! Identifies this machine, and tells whether one of its processes is alive.

use nix::{errno::Errno, sys::signal::kill, unistd::Pid};

/// This machine since its last boot, and the processes visible from here: the kernel's boot ID (random(4)) and the
/// namespace of process IDs (`pid_namespaces(7)`). `None` if `/proc` does not tell.
pub(super) fn machine() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Whether a process of this machine has ended. Returns `false` if another process has that ID by now, and if this
/// process has no permission to find out.
pub(super) fn has_ended(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    // Sending no signal only checks whether the process exists (kill(2)). ID 0 would mean this process's group.
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
        // A zombie counts as alive: it may have been the owner of a journal until just now.
        assert!(!has_ended(child.id()));
        child.wait().unwrap();
        assert!(has_ended(child.id()));
        assert!(!has_ended(std::process::id()));
        assert!(!has_ended(1), "of another user, perhaps");
        assert!(!has_ended(0) && !has_ended(u32::MAX));
    }
}
