//! The process and its command line, as the plan among the events names them.

use events::{Command, Plan};
use job::{
    shell,
    visible::{server_of, without_passwords},
};

use crate::host;

/// The plan of a command of this process.
pub(crate) fn plan_of(command: Command) -> Plan {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut arguments: Vec<String> = arguments.collect();
    if let Some(program) = arguments.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let arguments = without_addresses(arguments);
    let command_line = arguments.iter().map(|word| shell::quoted(word)).collect::<Vec<_>>().join(" ");
    Plan {
        host: Some(host::name()).filter(|host| !host.is_empty()),
        process_id: Some(std::process::id()),
        command_line: Some(without_passwords(&command_line).into_owned()),
        ..Plan::of(command)
    }
}

/// The arguments with only the server of each address for notifications.
fn without_addresses(arguments: Vec<String>) -> Vec<String> {
    let servers =
        |urls: &str| urls.split(' ').map(|url| server_of(url).into_owned()).collect::<Vec<_>>().join(" ");
    let mut is_address = false;
    let told = arguments.into_iter().map(|argument| {
        let follows = std::mem::replace(&mut is_address, argument == "--notify");
        // The second is the form of the Java tool.
        let at = ["--notify=", "tablehaul.notify="]
            .into_iter()
            .find_map(|option| argument.find(option).map(|at| at + option.len()));
        match at {
            Some(at) => format!("{}{}", &argument[..at], servers(&argument[at..])),
            None if follows => servers(&argument),
            None => argument,
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_notifications_are_told_without_their_paths() {
        let words = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
        for (given, told) in [
            ("export,--notify,https://a:b@c/d,https://e/f", "export,--notify,https://c/…,https://e/f"),
            ("--notify=https://c/d?e", "--notify=https://c/…"),
            ("-Dtablehaul.notify=https://c/d http://e/f,x", "-Dtablehaul.notify=https://c/… http://e/…,x"),
            ("--notify,arn:aws:sns:r:1:t", "--notify,arn:aws:sns:r:1:t"),
        ] {
            assert_eq!(without_addresses(words(given)), words(told));
        }
    }

    #[test]
    fn a_plan_says_who_tells() {
        let plan = plan_of(Command::Status);
        assert_eq!(plan.process_id, Some(std::process::id()));
        assert!(plan.command_line.is_some_and(|line| !line.is_empty()));
    }
}
