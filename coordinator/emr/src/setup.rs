//! The stack with the roles, and the command that creates it.

use job::shell::quoted;

/// The template of the roles.
pub const ROLES: &str = include_str!("../../../emr-bootstrap/roles.yaml");

/// The command of the AWS CLI that creates or changes a stack from a template file.
pub fn deploy(stack: &str, file: &str, region: Option<&str>, parameters: &[(&str, String)]) -> String {
    let mut words = vec!["aws cloudformation deploy --stack-name".to_owned(), quoted(stack)];
    words.extend(["--template-file".to_owned(), quoted(file)]);
    words.push("--capabilities CAPABILITY_NAMED_IAM".to_owned());
    if let Some(region) = region {
        words.extend(["--region".to_owned(), quoted(region)]);
    }
    if !parameters.is_empty() {
        words.push("--parameter-overrides".to_owned());
    }
    words.extend(parameters.iter().map(|(name, value)| quoted(&format!("{name}={value}"))));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let command =
            deploy("s", "/tmp/a b.yaml", Some("eu-west-1"), &[("Bucket", "b".into()), ("X", "it's".into())]);
        assert_eq!(
            command,
            "aws cloudformation deploy --stack-name s --template-file '/tmp/a b.yaml' --capabilities \
             CAPABILITY_NAMED_IAM --region eu-west-1 --parameter-overrides Bucket=b 'X=it'\\''s'"
        );
    }

    #[test]
    fn every_parameter_that_commands_set_is_in_the_template() {
        for name in
            ["TableArns", "Bucket", "Prefix", "LogPrefix", "BinariesPrefix", "Access", "ServicePolicy"]
        {
            assert!(ROLES.contains(&format!("\n  {name}:\n")), "{name}");
        }
    }
}
