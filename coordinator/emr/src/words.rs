//! What only the words of a service say: with [`crate::causes`] the one place that decides by text. Each function says
//! why there is no code to go by, and where the words are from. If a service words it otherwise one day, a message says
//! less, and nothing else changes.

/// Whether `UpdateStack` refuses because nothing is to be changed. Its code is `ValidationError`, as for any other
/// wrong request (`CloudFormation` User Guide, "Troubleshooting `CloudFormation`", "No updates to perform").
pub(crate) fn is_up_to_date(message: &str) -> bool {
    message.contains("No updates are to be performed")
}

/// Whether a resource of a stack failed only because another one had failed before: its event has the same status as
/// that of the other (`CloudFormation` API Reference, `StackEvent`, `ResourceStatusReason`, which is free text).
pub(crate) fn is_consequence(reason: &str) -> bool {
    ["cancelled", "User Initiated", "rollback"].iter().any(|word| reason.contains(word))
}

/// Whether the reason of a failed step says nothing: EMR writes `Unknown Error.` if it does not find the cause (EMR API
/// Reference, `FailureDetails`, `Reason`).
pub fn is_unknown(reason: &str) -> bool {
    reason.starts_with("Unknown")
}

/// The instance and the number of the bootstrap action that failed there. The code of the state change is only
/// `BOOTSTRAP_FAILURE` (EMR Management Guide, "Bootstrap action errors"): `On the master instance (i-…), bootstrap
/// action 1 returned a non-zero return code`.
pub fn failed_bootstrap(message: &str) -> Option<(&str, &str)> {
    let (before, after) = message.split_once("bootstrap action ")?;
    if !after.contains("non-zero") {
        return None;
    }
    let instance = &before[before.find("i-")?..];
    let end = instance.find(|c: char| !c.is_ascii_alphanumeric() && c != '-')?;
    let action = after.split_whitespace().next()?;
    Some((&instance[..end], action)).filter(|(_, action)| action.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cloudformation_says_is_understood() {
        assert!(is_up_to_date("No updates are to be performed."));
        assert!(!is_up_to_date("Stack with id x does not exist"));
        for reason in ["Resource creation cancelled", "User Initiated", "The following resource(s): rollback"]
        {
            assert!(is_consequence(reason), "{reason}");
        }
        assert!(!is_consequence("API: iam:CreateRole User is not authorized"));
    }

    #[test]
    fn a_reason_that_emr_does_not_know_is_none() {
        assert!(is_unknown("Unknown Error."));
        assert!(!is_unknown("Exception in thread main"));
    }

    #[test]
    fn the_node_of_a_failed_bootstrap_action_is_named_by_emr() {
        let said = "On the master instance (i-0abc), bootstrap action 2 returned a non-zero return code";
        assert_eq!(failed_bootstrap(said), Some(("i-0abc", "2")));
        let said = "On 2 slave instances (including i-0abc and i-0def), bootstrap action 1 returned a non-zero return code";
        assert_eq!(failed_bootstrap(said), Some(("i-0abc", "1")));
        for other in
            ["Master instance (i-1) failed attempting to download bootstrap action 1 file from S3", "", "i-"]
        {
            assert_eq!(failed_bootstrap(other), None);
        }
    }
}
