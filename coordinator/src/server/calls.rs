//! Whether workers may send hot requests directly, around the SDK's orchestrator: yes, unless
//! `TABLEHAUL_DIRECT_CALLS=off` says no. Nobody should need that. It is for finding out whether a fault lies in these
//! requests.

const VARIABLE: &str = "TABLEHAUL_DIRECT_CALLS";

/// Whether workers send all requests through the SDK.
///
/// # Errors
/// Fails if the variable is malformed.
pub(crate) fn are_sdk_only() -> Result<bool, String> {
    let value = std::env::var_os(VARIABLE).unwrap_or_default();
    is_off(&value.to_string_lossy())
}

/// An empty variable counts as not set.
fn is_off(value: &str) -> Result<bool, String> {
    match value {
        "" | "on" => Ok(false),
        "off" => Ok(true),
        other => Err(format!("{VARIABLE}: {other:?} is neither on nor off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_sent_directly_unless_it_is_switched_off() {
        assert_eq!([is_off(""), is_off("on"), is_off("off")], [Ok(false), Ok(false), Ok(true)]);
        let wrong = "TABLEHAUL_DIRECT_CALLS: \"no\" is neither on nor off";
        assert_eq!(is_off("no"), Err(wrong.to_owned()));
    }
}
