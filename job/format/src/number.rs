//! The numbers that DynamoDB accepts: decimals of up to 38 digits (Developer Guide, "Supported data types and naming
//! rules in Amazon DynamoDB", number).

/// The most significant digits.
pub(crate) const MAX_DIGITS: usize = 38;
/// The exponent of the first digit: 1E-130 to 9.99…E+125.
pub(crate) const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;

/// A number by its value: equal numbers compare as equal, however they are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Number {
    is_negative: bool,
    /// The exponent of the first digit; 0 for zero.
    exponent: i64,
    /// Without leading and trailing zeros; empty for zero.
    digits: Vec<u8>,
}

impl Number {
    /// Parses sign, digits, point and exponent (`-1.5E+3`); `None` if it is not a number that DynamoDB accepts.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let is_negative = mantissa.starts_with('-');
        let mantissa = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        if all().next().is_none() || !all().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let leading = all().take_while(|&byte| byte == b'0').count();
        let mut digits: Vec<u8> = all().skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            // Zero has the same range, as if its last digit were a 1: DynamoDB refuses `0E126`.
            let last_place = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
            return EXPONENTS.contains(&last_place).then_some(Self {
                is_negative: false,
                exponent: 0,
                digits,
            });
        }
        let place = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()? - 1;
        let exponent = exponent.checked_add(place)?;
        let is_taken = digits.len() <= MAX_DIGITS && EXPONENTS.contains(&exponent);
        is_taken.then_some(Self { is_negative, exponent, digits })
    }

    /// Appends bytes that are equal if and only if the numbers are equal.
    pub(crate) fn write_identity(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_negative));
        out.extend_from_slice(&self.exponent.to_be_bytes());
        out.extend_from_slice(&self.digits);
    }
}

fn exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    // `parse` would accept a second sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_by_value() {
        for (one, other) in
            [("1", "1.0"), ("1", "1E0"), ("1", "0.1E1"), ("600", "6e2"), ("-0", "0"), ("+5", "005.00")]
        {
            assert_eq!(Number::read(one), Number::read(other), "{one} {other}");
            assert!(Number::read(one).is_some(), "{one}");
        }
        for (one, other) in [("1", "10"), ("1", "-1"), ("0", "1"), ("0.1", "0.01"), ("12", "1.2")] {
            assert_ne!(Number::read(one), Number::read(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_beyond_38_digits_or_out_of_range_is_no_number() {
        let nines = "9".repeat(38);
        for good in [
            nines.as_str(),
            "1E-130",
            "-9.9999E+125",
            "0E125",
            "0.00E-128",
            "100000000000000000000000000000000000000000",
        ] {
            assert!(Number::read(good).is_some(), "{good}");
        }
        let too_long = "9".repeat(39);
        for bad in [
            "", "-", ".", "e3", "1e", "1e+", "1.2.3", "--1", "0x1", "NaN", "1 ", "1E-131", "1E126", "1e+-2",
            "0E126", "0.0E-130", &too_long,
        ] {
            assert_eq!(Number::read(bad), None, "{bad}");
        }
    }
}
