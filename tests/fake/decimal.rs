//! Numbers by their value: for `DynamoDB` 600, 6E+2 and 600.0 are the same number. What is not a number here is not one
//! there. The range isn't checked.

/// A decimal number; equal numbers are equal here, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// Without zeros at both ends; empty for zero.
    digits: String,
    /// Power of ten of the last digit; 0 for zero.
    exponent: i64,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits: String::new(), exponent: 0 });
        }
        let num_trailing = all.len() - all.trim_end_matches('0').len();
        let shift = i64::try_from(num_trailing).ok()? - i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.checked_add(shift)?;
        Some(Self { is_negative: mantissa.starts_with('-'), digits: digits.to_owned(), exponent })
    }

    /// As a whole number, if it is one.
    pub(crate) fn to_u64(&self) -> Option<u64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let scale = 10_u64.checked_pow(u32::try_from(self.exponent).ok()?)?;
        self.digits.parse::<u64>().ok().filter(|_| !self.is_negative)?.checked_mul(scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value_however_they_are_written() {
        let number = |text| Decimal::parse(text).expect("a number");
        for text in ["600", "6E+2", "6e2", "600.00", "0600", "+600", "60.0E1", "0.06e4"] {
            assert_eq!(number(text), number("600"), "{text}");
            assert_eq!(number(text).to_u64(), Some(600), "{text}");
        }
        assert_eq!(number("-0.0"), number("0"));
        assert_eq!(number("0E7").to_u64(), Some(0));
        assert_ne!(number("-600"), number("600"));
        assert_ne!(number("60"), number("600"));
        for text in ["-600", "6.5", "1E30"] {
            assert_eq!(number(text).to_u64(), None, "{text}");
        }
        for text in ["", "-", ".", "1x", "1E", "--1", "0x1", "1.2.3"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
