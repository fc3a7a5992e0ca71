//! The processor time and memory of a process, from `/proc`.

use std::time::Duration;

/// Ticks of a second in which `/proc` counts processor time (`USER_HZ`): 100 on every architecture that we build for.
const TICKS_PER_SECOND: u32 = 100;

/// Processor time of a process: user and system, all its threads, to 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Its own.
    pub own: Duration,
    /// Of the children that it has waited for, and of those that they had waited for.
    pub ended_children: Duration,
}

/// Processor time of a process so far; nothing if it is gone.
pub fn cpu(pid: u32) -> Option<Cpu> {
    cpu_of_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Most bytes of a process that were resident at once; nothing if it is gone.
pub fn peak_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Of proc(5), `/proc/PID/stat`: fields 14 to 17. The second, in parentheses, is a name and may hold anything.
fn cpu_of_stat(stat: &str) -> Option<Cpu> {
    let rest = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u32>().ok();
    let time = |user: u32, system: u32| Duration::from_secs(1) * (user + system) / TICKS_PER_SECOND;
    Some(Cpu { own: time(ticks(14)?, ticks(15)?), ended_children: time(ticks(16)?, ticks(17)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_blanks_and_parentheses() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 8 7 6 150 50 30 20 20 0 1 0 99 0 0";
        let cpu = cpu_of_stat(stat).unwrap();
        assert_eq!((cpu.own, cpu.ended_children), (Duration::from_secs(2), Duration::from_millis(500)));
        assert_eq!(cpu_of_stat("7 (cut off) S 1"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(peak_bytes(std::process::id()).unwrap() > 100_000);
        assert!(cpu(std::process::id()).is_some());
    }
}
