//! A cluster that does not start and says nothing.

use super::{Cause, Kind};
use crate::quote::visible;

/// The longest that a start takes without a word, in minutes. EMR needs 7 to 10.
const MOST_MINUTES: u64 = 20;

/// What to look at if a cluster has been in a state before RUNNING for too long. EMR gives no reason then.
pub fn stalled(state: &str, minutes: u64) -> Option<Cause> {
    let waits = match state {
        "STARTING" => "for instances, or for a subnet that reaches S3 and EMR",
        "BOOTSTRAPPING" => {
            "for a bootstrap action, or for packages that EMR cannot fetch without a route to S3"
        }
        _ => return None,
    };
    let line = format!(
        "the cluster has been {} for {minutes} minutes and waits {waits}: a private subnet needs an endpoint for S3 \
         whose policy admits the buckets of EMR and Amazon Linux, and security groups that allow traffic out",
        visible(state)
    );
    (minutes >= MOST_MINUTES).then_some(Cause { line, kind: Kind::Network })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_start_is_told() {
        assert_eq!(stalled("STARTING", 19), None);
        assert_eq!(stalled("RUNNING", 600), None);
        for state in ["STARTING", "BOOTSTRAPPING"] {
            let cause = stalled(state, 20).unwrap();
            assert_eq!(cause.kind, Kind::Network);
            assert!(cause.line.starts_with(&format!("the cluster has been {state} for 20 minutes")));
        }
    }
}
