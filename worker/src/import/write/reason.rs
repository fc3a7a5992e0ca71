//! Why the service rejected a line, without the line's data.

/// The service quotes a value after each of these.
const QUOTES_BEHIND: [&str; 2] = ["numeric value: ", "numeric value:"];

/// The service's message, on one line and without values of the item. The start of a fault's message, up to the table's
/// name, is the same for all lines and left out.
pub(crate) fn of(message: &str, table: &str) -> String {
    let said = message.split_once(&format!(" on table {table}: ")).map_or(message, |(_, said)| said);
    let mut reason = said.replace(['\n', '\r'], " ");
    // "Input collection [a, a] contains duplicates."
    if let (Some(open), Some(close)) = (reason.find('['), reason.rfind(']'))
        && open < close
    {
        reason.replace_range(open + 1..close, "…");
    }
    // "The parameter cannot be converted to a numeric value: a (ValidationException)"
    if let Some(at) = QUOTES_BEHIND.iter().find_map(|words| reason.find(words).map(|at| at + words.len())) {
        let end = reason.rfind(" (").filter(|&end| end >= at).unwrap_or(reason.len());
        reason.replace_range(at..end, "…");
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_the_service_quotes_are_left_out() {
        for (message, expected) in [
            ("Input collection [a], [a] contains duplicates.", "Input collection […] contains duplicates."),
            ("a numeric value: 12 (3) (ValidationException)", "a numeric value: … (ValidationException)"),
            ("a numeric value: 12", "a numeric value: …"),
            ("Type mismatch for key k expected: S", "Type mismatch for key k expected: S"),
            ("]odd[\nlines", "]odd[ lines"),
            ("dynamodb:PutItem on table t: no on table t: 1 (X)", "no on table t: 1 (X)"),
        ] {
            assert_eq!(of(message, "t"), expected);
        }
    }
}
