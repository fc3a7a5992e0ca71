//! The use of the processes of a job, by kind. Plain code: observations are arguments.

use std::{collections::BTreeMap, path::Path, time::Duration};

/// Kinds, by what their arguments hold; the first that fits. The rest are shells and small programs around them.
const JVMS: [(&str, &str); 4] = [
    ("org.apache.hadoop.mapreduce.v2.app.MRAppMaster", "application master"),
    ("org.apache.hadoop.mapred.YarnChild", "JVM of a task"),
    ("org.apache.hadoop.util.RunJar", "hadoop jar"),
    ("org.apache.hadoop.", "other hadoop command"),
];
const SMALL: &str = "shells";

/// What all processes of a kind have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) num_processes: usize,
    /// Together.
    pub(crate) cpu: Duration,
    /// The largest resident set of one of them.
    pub(crate) peak_bytes: u64,
}

/// All processes of a job, ended ones included.
#[derive(Debug, Default)]
pub(crate) struct Processes(BTreeMap<u32, (&'static str, Duration, u64)>);

impl Processes {
    /// Records a process. A shell that becomes another program counts as that program.
    pub(crate) fn saw(&mut self, pid: u32, args: &[String], cpu: Duration, peak_bytes: u64) {
        if let Some(kind) = kind(args) {
            self.0.insert(pid, (kind, cpu, peak_bytes));
        }
    }

    /// The last observation of each.
    pub(crate) fn by_kind(&self) -> BTreeMap<&'static str, Used> {
        let mut kinds: BTreeMap<&'static str, Used> = BTreeMap::new();
        for &(kind, cpu, peak_bytes) in self.0.values() {
            let used = kinds.entry(kind).or_default();
            used.num_processes += 1;
            used.cpu += cpu;
            used.peak_bytes = used.peak_bytes.max(peak_bytes);
        }
        kinds
    }
}

/// `None` for a daemon of the cluster, and for a zombie.
fn kind(args: &[String]) -> Option<&'static str> {
    if args.iter().any(|arg| arg.starts_with("-Dcluster.daemon=")) {
        return None;
    }
    let program = Path::new(args.first()?).file_name()?.to_str()?;
    Some(match program {
        "" => return None,
        "tablehaul" => "tablehaul",
        "tablehaul-worker" => "tablehaul-worker",
        "java" => {
            let found = JVMS.iter().find(|(class, _)| args.iter().any(|arg| arg.starts_with(class)));
            found.map_or(SMALL, |(_, kind)| kind)
        }
        _ => SMALL,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(processes: &mut Processes, pid: u32, line: &str, millis: u64, bytes: u64) {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        processes.saw(pid, &args, Duration::from_millis(millis), bytes);
    }

    #[test]
    fn what_was_seen_last_counts_and_daemons_do_not() {
        let mut processes = Processes::default();
        seen(&mut processes, 7, "bash launch_container.sh", 10, 1);
        seen(&mut processes, 7, "/jdk/bin/java -Xmx9m org.apache.hadoop.mapred.YarnChild 127.0.0.1", 900, 9);
        seen(&mut processes, 8, "/jdk/bin/java org.apache.hadoop.mapred.YarnChild 127.0.0.1", 100, 5);
        seen(&mut processes, 9, "/jdk/bin/java -Dcluster.daemon=/x/node1 org.apache.hadoop.yarn.X", 500, 5);
        let used = Used { num_processes: 2, cpu: Duration::from_secs(1), peak_bytes: 9 };
        assert_eq!(processes.by_kind(), [("JVM of a task", used)].into());
    }
}
