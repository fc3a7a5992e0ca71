//! Whether workers may send hot requests directly, around the SDK's orchestrator: yes, unless
//! `TABLEHAUL_DIRECT_CALLS=off` says no. Nobody should need that. It is for finding out whether a fault lies in these
//! requests.

const DIRECT_CALLS_VARIABLE: &str = "TABLEHAUL_DIRECT_CALLS";

/// The variable has another value.
#[derive(Debug, thiserror::Error)]
#[error("{DIRECT_CALLS_VARIABLE}: {0:?} is neither on nor off")]
pub(crate) struct SwitchError(String);

/// Whether workers send all requests through the SDK.
///
/// # Errors
/// Fails if the variable is malformed.
pub(crate) fn are_sdk_only() -> Result<bool, SwitchError> {
    let value = std::env::var_os(DIRECT_CALLS_VARIABLE).unwrap_or_default();
    is_off(&value.to_string_lossy())
}

/// An empty variable counts as not set.
fn is_off(value: &str) -> Result<bool, SwitchError> {
    match value {
        "" | "on" => Ok(false),
        "off" => Ok(true),
        other => Err(SwitchError(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_directly_unless_it_is_switched_off() {
        assert_eq!(["", "on", "off"].map(|value| is_off(value).unwrap()), [false, false, true]);
        let wrong = "TABLEHAUL_DIRECT_CALLS: \"no\" is neither on nor off";
        assert_eq!(is_off("no").unwrap_err().to_string(), wrong);
    }
}
