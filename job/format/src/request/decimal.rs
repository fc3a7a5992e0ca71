//! Numbers within a line: the same results as [`Number`](crate::number::Number), without copying the digits.

use crate::number::{EXPONENTS, MAX_DIGITS};

/// The most digits of an exponent. Longer ones are rare, and left to the slow path.
const MAX_EXPONENT_DIGITS: usize = 4;

/// A number that DynamoDB accepts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    is_negative: bool,
    /// The exponent of the first digit; 0 for zero.
    exponent: i64,
    /// From the first to the last digit that is not zero; the point may be among them.
    digits: &'a [u8],
    /// The number of these digits.
    count: usize,
}

impl<'a> Decimal<'a> {
    /// Reads the number at the start of `text`, and returns it with the text after it. `None` if DynamoDB does not
    /// accept it, or if its spelling is unusual.
    #[inline]
    pub(super) fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (is_negative, mantissa) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let whole = num_digits(mantissa);
        let (len, num_digits) = match mantissa.get(whole) {
            Some(b'.') => {
                let fraction = num_digits(&mantissa[whole + 1..]);
                (whole + 1 + fraction, whole + fraction)
            }
            _ => (whole, whole),
        };
        if num_digits == 0 {
            return None;
        }
        let (exponent, after) = match mantissa.get(len) {
            Some(b'e' | b'E') => read_exponent(&mantissa[len + 1..])?,
            _ => (0, &mantissa[len..]),
        };
        let last_place = exponent - i64::try_from(num_digits - whole).ok()?;
        Some((Self::normal(is_negative, &mantissa[..len], whole, exponent, last_place)?, after))
    }

    /// Finds the significant digits. `whole` digits precede the point. The last digit as written has the exponent
    /// `last_place`.
    #[inline]
    fn normal(
        is_negative: bool,
        mantissa: &'a [u8],
        whole: usize,
        exponent: i64,
        last_place: i64,
    ) -> Option<Self> {
        let counts = |byte: &u8| (b'1'..=b'9').contains(byte);
        let Some(first) = mantissa.iter().position(counts) else {
            let zero = Self { is_negative: false, exponent: 0, digits: &[], count: 0 };
            return EXPONENTS.contains(&last_place).then_some(zero);
        };
        let end = mantissa.iter().rposition(counts)? + 1;
        let count = end - first - usize::from(first < whole && whole < end);
        // The point at `whole` does not count as a digit.
        let leading = first - usize::from(first > whole);
        let place = i64::try_from(whole).ok()? - i64::try_from(leading).ok()? - 1;
        let exponent = exponent + place;
        let is_taken = count <= MAX_DIGITS && EXPONENTS.contains(&exponent);
        is_taken.then_some(Self { is_negative, exponent, digits: &mantissa[first..end], count })
    }

    /// The size by the rule of [`Item::size_bytes`](crate::item::Item::size_bytes).
    pub(super) fn size_bytes(&self) -> usize {
        self.count.div_ceil(2) + 1
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.digits.iter().copied().filter(|&byte| byte != b'.')
    }

    /// Appends the same bytes as [`Number::write_identity`](crate::number::Number::write_identity).
    pub(super) fn write_identity(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_negative));
        out.extend_from_slice(&self.exponent.to_be_bytes());
        out.extend(self.digits());
    }

    /// A hash. Equal numbers have equal hashes. Different numbers rarely do, which only costs time.
    pub(super) fn hash(&self) -> u64 {
        let digits =
            self.digits().fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        // Exponent and sign take nine bits and one. After the rotation, the digits of ordinary numbers do not overlap
        // them.
        let exponent_and_sign = self.exponent.cast_unsigned() << 1 | u64::from(self.is_negative);
        digits.rotate_left(10) ^ exponent_and_sign
    }
}

#[inline]
fn num_digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The exponent at the start of `text`, and the text after it.
fn read_exponent(text: &[u8]) -> Option<(i64, &[u8])> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let len = num_digits(digits);
    if !(1..=MAX_EXPONENT_DIGITS).contains(&len) {
        return None;
    }
    let value = digits[..len].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
    Some((if is_negative { -value } else { value }, &digits[len..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::item::AttributeValue;
    use crate::number::Number;

    fn whole(text: &str) -> Option<Decimal<'_>> {
        Decimal::read(text.as_bytes()).and_then(|(decimal, after)| after.is_empty().then_some(decimal))
    }

    fn identity(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    /// Asserts that a number that is read is the same on the slow path.
    fn assert_like_the_slow_path(text: &str) {
        let number = Number::read(text);
        let Some(decimal) = whole(text) else { return };
        let number = number.unwrap_or_else(|| panic!("{text} is no number"));
        assert_eq!(
            identity(|out| decimal.write_identity(out)),
            identity(|out| number.write_identity(out)),
            "{text}"
        );
        assert_eq!(decimal.size_bytes(), AttributeValue::N(text.into()).size_bytes(), "{text}");
    }

    #[test]
    fn ordinary_numbers_are_read() {
        let nines = "9".repeat(38);
        for text in [
            "0",
            "-0",
            "1",
            "-1",
            "+5",
            "005.00",
            "1.5",
            ".5",
            "5.",
            "0.001",
            "1E+3",
            "1e-130",
            "9.9E125",
            "0E125",
            "0.00E-128",
            "1000",
            "100.001",
            "0.00",
            &nines,
        ] {
            assert!(whole(text).is_some(), "{text}");
            assert_like_the_slow_path(text);
        }
        let too_long = "9".repeat(39);
        for text in [
            "", "-", ".", "-.", "e3", "1e", "1e+", "1.2.3", "--1", "1 ", "1E-131", "1E126", "1e+-2", "0x1",
            "0E126", "0.0E-130", &too_long,
        ] {
            assert!(whole(text).is_none(), "{text}");
        }
    }

    #[test]
    fn hashes_are_those_of_values() {
        let hash = |text: &str| whole(text).unwrap().hash();
        for (one, other) in [("1", "1.0"), ("1", "1E0"), ("12.5", "0.125E2"), ("600", "6e2"), ("-0", "0")] {
            assert_eq!(hash(one), hash(other), "{one} {other}");
        }
        for (one, other) in [("1", "10"), ("1", "-1"), ("0", "1"), ("12", "1.2"), ("0.1", "0.01")] {
            assert_ne!(hash(one), hash(other), "{one} {other}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_read_like_the_slow_path_or_not_at_all(text in "[-+.0-9eE]{0,12}|-?[0-9.]{30,45}E-?[0-9]{1,3}") {
            assert_like_the_slow_path(&text);
        }

        #[test]
        fn equal_numbers_have_equal_hashes(
            one in "-?[0-3]{0,3}\\.?[0-3]{1,3}(E[+-]?[0-2])?",
            other in "-?[0-3]{0,3}\\.?[0-3]{1,3}(E[+-]?[0-2])?",
        ) {
            let (Some(first), Some(second)) = (whole(&one), whole(&other)) else { return Ok(()) };
            let equal = Number::read(&one) == Number::read(&other);
            prop_assert_eq!(first.hash() == second.hash(), equal);
        }
    }
}
