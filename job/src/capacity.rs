//! Capacity units and rates, with all their arithmetic.
//!
//! All values are integers, in thousandths of a unit. So halves and shares stay exact, and every machine computes the
//! same.

use std::{
    fmt,
    ops::{Add, AddAssign, Mul, Sub},
    str::FromStr,
    time::Duration,
};

/// Capacity units: read units in an export, write units in an import. No job counts both.
///
/// One read unit is one strongly consistent read of up to 4 KiB; an eventually consistent read costs half. One write
/// unit is one write of up to 1 KiB (DynamoDB Developer Guide, "DynamoDB provisioned capacity mode").
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Units {
    milli: u64,
}

impl Units {
    /// No units.
    pub const ZERO: Self = Self { milli: 0 };

    /// From thousandths of a unit, the unit of the control protocol.
    pub const fn from_milli(milli: u64) -> Self {
        Self { milli }
    }

    /// From whole units.
    pub const fn from_units(units: u64) -> Self {
        Self { milli: units.saturating_mul(1000) }
    }

    /// The cost of one call, as DynamoDB writes `CapacityUnits`. `None` if it is no number of units, or more than any
    /// call can cost: a page has 1 MB at most, and a batch of 16 MB writes to 25 indexes (Developer Guide, "Quotas in
    /// Amazon DynamoDB").
    pub fn of_call(text: &str) -> Option<Self> {
        // Units never have an exponent of more than three digits. Larger ones could overflow the arithmetic.
        if text.split_once(['e', 'E']).is_some_and(|(_, exponent)| exponent.len() > 4) {
            return None;
        }
        text.parse().ok().filter(|&units: &Self| units <= Self::from_units(1_000_000))
    }

    /// Thousandths of a unit.
    pub const fn milli(self) -> u64 {
        self.milli
    }

    /// The cost of a Scan page. The item bytes of the whole page, not of each item, are rounded up to 4 KiB, and an
    /// empty page costs one read (DynamoDB Developer Guide, "DynamoDB read and write operations", capacity unit
    /// consumption for reads).
    pub const fn of_scan_page(item_bytes: u64, consistent: bool) -> Self {
        let reads = if item_bytes == 0 { 1 } else { item_bytes.div_ceil(4 * 1024) };
        Self { milli: reads * if consistent { 1000 } else { 500 } }
    }

    /// The cost of writing a new item: its size rounded up to 1 KiB. Replacing a larger item costs as much as the
    /// larger one (DynamoDB Developer Guide, "DynamoDB read and write operations", capacity unit consumption for
    /// writes).
    pub const fn of_write(item_bytes: u64) -> Self {
        let writes = if item_bytes == 0 { 1 } else { item_bytes.div_ceil(1024) };
        Self::from_units(writes)
    }

    /// The difference, or zero if `other` is larger.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self { milli: self.milli.saturating_sub(other.milli) }
    }

    /// For display and ratios, never for accounting.
    #[expect(clippy::cast_precision_loss, reason = "for display and ratios only")]
    pub fn as_f64(self) -> f64 {
        self.milli as f64 / 1000.0
    }
}

impl Add for Units {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { milli: self.milli.saturating_add(other.milli) }
    }
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Units {
    type Output = Self;
    /// Panics in debug builds if `other` is larger, as integers do.
    fn sub(self, other: Self) -> Self {
        Self { milli: self.milli - other.milli }
    }
}

impl std::iter::Sum for Units {
    fn sum<I: Iterator<Item = Self>>(units: I) -> Self {
        units.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.milli % 1000 {
            0 => write!(out, "{}", self.milli / 1000),
            rest => {
                let decimals = format!("{rest:03}");
                write!(out, "{}.{}", self.milli / 1000, decimals.trim_end_matches('0'))
            }
        }
    }
}

/// A text that is not a decimal number of units, or is too large for a `u64` of thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of capacity units")]
pub struct UnitsError;

impl FromStr for Units {
    type Err = UnitsError;

    /// Parses a decimal as DynamoDB writes `CapacityUnits` (`128.5`, `0.5`, `3`, `1.0E-1`). More than three decimals
    /// are rounded up, so no consumption is lost.
    fn from_str(text: &str) -> Result<Self, UnitsError> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| UnitsError)?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(UnitsError);
        }
        let mut digits: u128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            if !digit.is_ascii_digit() || digits > u128::from(u64::MAX) {
                return Err(UnitsError);
            }
            digits = digits * 10 + u128::from(digit - b'0');
        }
        let decimals = i32::try_from(fraction.len()).map_err(|_| UnitsError)?;
        let decimals = decimals.checked_sub(exponent).and_then(|n| n.checked_sub(3)).ok_or(UnitsError)?;
        let power = 10u128.checked_pow(decimals.unsigned_abs()).ok_or(UnitsError)?;
        let milli = if decimals > 0 {
            digits.div_ceil(power)
        } else {
            digits.checked_mul(power).ok_or(UnitsError)?
        };
        Ok(Self { milli: u64::try_from(milli).map_err(|_| UnitsError)? })
    }
}

/// Capacity units per second.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Rate {
    milli_per_second: u64,
}

impl Rate {
    /// From whole units per second.
    pub const fn from_units_per_second(units: u64) -> Self {
        Self { milli_per_second: units.saturating_mul(1000) }
    }

    /// From thousandths of a unit per second.
    pub const fn from_milli_per_second(milli_per_second: u64) -> Self {
        Self { milli_per_second }
    }

    /// Thousandths of a unit per second.
    pub const fn milli_per_second(self) -> u64 {
        self.milli_per_second
    }

    /// `milli_percent` thousandths of a percent of this rate; the unit keeps `12.5` % exact.
    #[must_use]
    pub fn milli_percent(self, milli_percent: u64) -> Self {
        let milli = u128::from(self.milli_per_second) * u128::from(milli_percent) / 100_000;
        Self { milli_per_second: u64::try_from(milli).unwrap_or(u64::MAX) }
    }

    /// For display and ratios, never for accounting.
    #[expect(clippy::cast_precision_loss, reason = "for display and ratios only")]
    pub fn as_f64(self) -> f64 {
        self.milli_per_second as f64 / 1000.0
    }
}

impl Mul<Duration> for Rate {
    type Output = Units;
    fn mul(self, elapsed: Duration) -> Units {
        let milli = u128::from(self.milli_per_second) * elapsed.as_nanos() / 1_000_000_000;
        Units { milli: u64::try_from(milli).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Units { milli: self.milli_per_second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_page_is_rounded_up_to_4_kib_once() {
        assert_eq!(Units::of_scan_page(1024 * 1024, false), Units::from_units(128));
        assert_eq!(Units::of_scan_page(1024 * 1024 + 1, true), Units::from_units(257));
        assert_eq!(Units::of_scan_page(0, false).to_string(), "0.5");
    }

    #[test]
    fn each_item_written_is_rounded_up_to_1_kib() {
        assert_eq!(Units::of_write(0), Units::from_units(1));
        assert_eq!(Units::of_write(1024), Units::from_units(1));
        assert_eq!(Units::of_write(1025), Units::from_units(2));
    }

    #[test]
    fn decimals_of_units_are_read_as_dynamodb_writes_them() {
        let milli = |text: &str| text.parse::<Units>().map(Units::milli);
        assert_eq!(milli("128.5"), Ok(128_500));
        assert_eq!(milli("3"), Ok(3000));
        assert_eq!(milli("1.285E2"), Ok(128_500));
        assert_eq!(milli("5e-1"), Ok(500));
        assert_eq!(milli("0.0001"), Ok(1));
        for bad in ["", ".", "-1", "1,5", "NaN", "1e99", "99999999999999999999999"] {
            assert_eq!(milli(bad), Err(UnitsError), "{bad}");
        }
    }

    #[test]
    fn a_rate_over_a_duration_is_units() {
        assert_eq!(Rate::from_units_per_second(50) * Duration::from_millis(100), Units::from_units(5));
        assert_eq!(Rate::from_units_per_second(1000).milli_percent(12_500), Rate::from_units_per_second(125));
    }
}
