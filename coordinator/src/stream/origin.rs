//! Which process tells, and how it was called.

use events::{Command, Plan};
use job::{shell, visible::without_passwords};

use crate::host;

/// The plan of a command of this process.
pub(crate) fn plan_of(command: Command) -> Plan {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut arguments: Vec<String> = arguments.collect();
    if let Some(program) = arguments.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let command_line = arguments.iter().map(|word| shell::quoted(word)).collect::<Vec<_>>().join(" ");
    Plan {
        host: Some(host::name()).filter(|host| !host.is_empty()),
        process_id: Some(std::process::id()),
        command_line: Some(without_passwords(&command_line).into_owned()),
        ..Plan::of(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_who_tells() {
        let plan = plan_of(Command::Status);
        assert_eq!(plan.process_id, Some(std::process::id()));
        assert!(plan.command_line.is_some_and(|line| !line.is_empty()));
    }
}
