//! A schedule without a service of our own: `EventBridge` Scheduler calls `RunJobFlow` itself, with the scheduled time
//! as the last part of the folder.

use serde_json::{Value, json};

/// What Scheduler replaces by the time of the schedule, such as `2026-03-22T18:59:43Z` (`EventBridge` Scheduler User
/// Guide, "Adding context attributes"). A retry has the same time, so it goes on in the same folder.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";
/// The most bytes that Scheduler passes on. Source: the same guide, "Quotas".
const MOST_REQUEST_BYTES: usize = 262_144;

/// What is scheduled.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The name of the schedule.
    pub name: String,
    /// Such as `cron(0 3 * * ? *)`.
    pub expression: String,
    /// Such as `Europe/Berlin`.
    pub time_zone: String,
    /// The body of `RunJobFlow`.
    pub request: Value,
    /// EMR's service role.
    pub service_role: String,
    /// The role of the nodes.
    pub node_role: String,
}

/// Why something cannot be scheduled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSchedulable {
    /// A cron line that Scheduler refuses.
    #[error(
        "--cron {0:?}: give six fields as EventBridge Scheduler takes them, such as '0 3 * * ? *' for 03:00 each day"
    )]
    Cron(String),
    /// A request that is too long.
    #[error(
        "the request has {0} bytes, but EventBridge Scheduler passes on {MOST_REQUEST_BYTES} at most: give fewer tables"
    )]
    TooLong(usize),
}

/// The expression of a cron line: minutes, hours, day of month, month, day of week, year. One of the days is `?`.
///
/// # Errors
/// Fails if it does not have six fields, or if neither or both of the days are `?`.
pub fn cron(line: &str) -> Result<String, NotSchedulable> {
    let line = line.trim().trim_start_matches("cron(").trim_end_matches(')');
    let fields: Vec<&str> = line.split_whitespace().collect();
    let are_plain = fields
        .iter()
        .all(|field| field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*?,-/#".contains(&byte)));
    let is_right = fields.len() == 6 && are_plain && (fields[2] == "?") != (fields[4] == "?");
    if is_right {
        Ok(format!("cron({})", fields.join(" ")))
    } else {
        Err(NotSchedulable::Cron(line.to_owned()))
    }
}

/// The `CloudFormation` template of a schedule and its role.
///
/// # Errors
/// Fails if the request is too long.
pub fn template(schedule: &Schedule) -> Result<Value, NotSchedulable> {
    let input = schedule.request.to_string();
    if input.len() > MOST_REQUEST_BYTES {
        return Err(NotSchedulable::TooLong(input.len()));
    }
    let role = |name: &str| {
        if name.starts_with("arn:") {
            return json!(name);
        }
        json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/{name}")})
    };
    let pass = |sid: &str, name: &str, service: &str| {
        json!({
            "Sid": sid, "Effect": "Allow", "Action": "iam:PassRole", "Resource": role(name),
            "Condition": {"StringLike": {"iam:PassedToService": format!("{service}.amazonaws.com*")}},
        })
    };
    let (tag, value) = crate::request::OWN_TAG;
    let launch = json!({
        "Sid": "Launch", "Effect": "Allow", "Action": "elasticmapreduce:RunJobFlow", "Resource": "*",
        "Condition": {"StringEquals": {format!("aws:RequestTag/{tag}"): value}},
    });
    Ok(json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Launches an EMR cluster that runs tablehaul, by a schedule.",
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{
                            "Effect": "Allow",
                            "Principal": {"Service": "scheduler.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                            "Condition": {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}},
                        }],
                    },
                    "Policies": [{
                        "PolicyName": "launch",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                launch,
                                pass("PassServiceRole", &schedule.service_role, "elasticmapreduce"),
                                pass("PassNodeRole", &schedule.node_role, "ec2"),
                            ],
                        },
                    }],
                },
            },
            "Schedule": {
                "Type": "AWS::Scheduler::Schedule",
                "Properties": {
                    "Name": schedule.name,
                    "Description": "Made by tablehaul emr schedule.",
                    "ScheduleExpression": schedule.expression,
                    "ScheduleExpressionTimezone": schedule.time_zone,
                    "FlexibleTimeWindow": {"Mode": "OFF"},
                    "Target": {
                        "Arn": "arn:aws:scheduler:::aws-sdk:emr:runJobFlow",
                        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                        "Input": input,
                        // RunJobFlow is not idempotent: a repetition could launch a second cluster. Both would work in
                        // the same folder, where the second stops.
                        "RetryPolicy": {"MaximumRetryAttempts": 0},
                    },
                },
            },
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_lines_are_those_of_scheduler() {
        assert_eq!(cron("0 3 * * ? *").unwrap(), "cron(0 3 * * ? *)");
        assert_eq!(cron(" cron(15 10 ? * MON-FRI 2026) ").unwrap(), "cron(15 10 ? * MON-FRI 2026)");
        for wrong in ["0 3 * * *", "0 3 * * * *", "0 3 ? * ? *", "", "0 3 * * ? * ; rm"] {
            assert!(cron(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_request_is_passed_on_as_text() {
        let schedule = Schedule {
            name: "nightly".into(),
            expression: "cron(0 3 * * ? *)".into(),
            time_zone: "UTC".into(),
            request: json!({"Name": SCHEDULED_TIME}),
            service_role: "tablehaul-service".into(),
            node_role: "arn:aws:iam::123456789012:role/x".into(),
        };
        let made = template(&schedule).unwrap();
        let target = &made["Resources"]["Schedule"]["Properties"]["Target"];
        assert_eq!(target["Input"], format!(r#"{{"Name":"{SCHEDULED_TIME}"}}"#));
        let statements =
            &made["Resources"]["Role"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
        assert_eq!(statements[2]["Resource"], "arn:aws:iam::123456789012:role/x");
        let long = Schedule { request: json!("x".repeat(300_000)), ..schedule };
        assert!(template(&long).is_err());
    }
}
