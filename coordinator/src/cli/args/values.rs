//! Values of arguments: rates, folders, files, numbers.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use clap::parser::ValueSource;
use job::{
    capacity::{Rate, Units},
    object::Object,
    spec::{RateSpec, endpoint_defect},
    target::{Target, Typed, typed},
    task::TotalSegments,
};

use super::error::ArgumentError;
use crate::commands::import::names_folder;

/// A quarter, the default of Data Pipeline's templates.
const DEFAULT_MILLI_PERCENT: u64 = 25_000;

/// The two ways to give a rate, as they were given.
pub(super) struct Rates<'a> {
    /// `read` or `write`.
    pub(super) verb: &'static str,
    pub(super) percent: Option<&'a str>,
    pub(super) units: Option<&'a str>,
}

impl Rates<'_> {
    /// The rate that was given. One typed on the command line takes precedence over one of an environment variable.
    pub(super) fn read(&self, matches: &clap::ArgMatches) -> Result<RateSpec, ArgumentError> {
        let Self { verb, percent, units } = *self;
        let typed =
            |what: &str| matches.value_source(&format!("{verb}_{what}")) == Some(ValueSource::CommandLine);
        match (percent, units) {
            (None, None) => Ok(RateSpec::MilliPercent(DEFAULT_MILLI_PERCENT)),
            (Some(text), None) => self.percentage(text),
            (None, Some(text)) => self.units_per_second(text),
            (Some(text), Some(_)) if typed("percent") && !typed("units") => self.percentage(text),
            (Some(_), Some(text)) if typed("units") && !typed("percent") => self.units_per_second(text),
            (Some(_), Some(_)) => Err(ArgumentError::TwoRates { verb }),
        }
    }

    fn percentage(&self, text: &str) -> Result<RateSpec, ArgumentError> {
        let wrong = || ArgumentError::Percent { verb: self.verb, text: text.to_owned() };
        let milli = decimal_milli(text).ok_or_else(wrong)?;
        if (1..=100_000).contains(&milli) { Ok(RateSpec::MilliPercent(milli)) } else { Err(wrong()) }
    }

    fn units_per_second(&self, text: &str) -> Result<RateSpec, ArgumentError> {
        let wrong = || ArgumentError::Units { verb: self.verb, text: text.to_owned() };
        let milli = decimal_milli(text).filter(|&milli| milli > 0).ok_or_else(wrong)?;
        Ok(RateSpec::Units(Rate::from_milli_per_second(milli)))
    }
}

/// The thousandths of a decimal number. `None` if it has a part that is smaller than one: it is not rounded, so nobody
/// gets another rate than the typed one.
fn decimal_milli(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (_, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_exact = decimals.trim_end_matches('0').len() <= 3;
    let units = text.parse::<Units>().ok().filter(|_| is_plain && is_exact);
    units.map(Units::milli)
}

/// Table names and ARNs. Checks names by DynamoDB's naming rules, so that a mistyped name is found before any request
/// (DynamoDB Developer Guide, "Naming rules": 3 to 255 of `a-z A-Z 0-9 _ - .`). ARNs are not checked.
pub(in crate::cli) fn tables(names: Vec<String>) -> Result<Vec<String>, ArgumentError> {
    let valid = |name: &String| {
        name.starts_with("arn:")
            || (3..=255).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    };
    match names.iter().find(|name| !valid(name)) {
        Some(name) => Err(ArgumentError::Table(name.clone())),
        None => Ok(names),
    }
}

/// A folder. A relative path starts at the working directory.
pub(in crate::cli) fn target(text: &str) -> Result<Target, ArgumentError> {
    if text.is_empty() {
        return Err(ArgumentError::NoFolder);
    }
    Ok(absolute(text)?.parse()?)
}

/// A file, or an object in S3. A relative path starts at the working directory.
pub(super) fn object(text: &str) -> Result<Object, ArgumentError> {
    let url = absolute(text)?;
    if names_folder(&url) {
        return Err(ArgumentError::NamesFolder(text.to_owned()));
    }
    let url = if url.starts_with('/') { format!("file://{url}") } else { url };
    url.parse().map_err(|error| ArgumentError::Object { text: text.to_owned(), error })
}

/// A URL or an absolute path. Refuses a mistyped URL instead of taking it for a path.
fn absolute(text: &str) -> Result<String, ArgumentError> {
    let what = typed(text)?;
    if what == Typed::Url || text.is_empty() || text.starts_with('/') {
        return Ok(text.to_owned());
    }
    let current = std::env::current_dir().map_err(ArgumentError::NoWorkingDirectory)?;
    Ok(current.join(text).to_string_lossy().into_owned())
}

/// An address of this machine only, or a port: the page has no TLS. It answers only by the names of these addresses.
pub(super) fn page_address(text: &str) -> Result<SocketAddr, ArgumentError> {
    let wrong = || ArgumentError::Page(text.to_owned());
    let address: SocketAddr = match text.parse() {
        Ok(port) => SocketAddr::from(([127, 0, 0, 1], port)),
        Err(_) => text.replace("localhost:", "127.0.0.1:").parse().map_err(|_| wrong())?,
    };
    let own = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    if own.contains(&address.ip()) { Ok(address) } else { Err(wrong()) }
}

/// A duration: `90m`, `2h30m`, `3600s`, `1 day`.
pub(super) fn duration(text: &str) -> Result<Duration, ArgumentError> {
    let parsed = text.trim().parse::<jiff::SignedDuration>().ok();
    let parsed = parsed.and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.filter(|parsed| !parsed.is_zero()).ok_or(ArgumentError::Duration)
}

pub(super) fn segments(text: &str) -> Result<TotalSegments, ArgumentError> {
    Ok(number(text, 1..=TotalSegments::MAX)?.try_into()?)
}

pub(super) fn workers(text: &str) -> Result<u32, ArgumentError> {
    number(text, 1..=10_000)
}

/// In MiB.
pub(super) fn worker_memory(text: &str) -> Result<u32, ArgumentError> {
    number(text, 128..=65_536)
}

fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, ArgumentError> {
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or(ArgumentError::Number { least: *range.start(), most: *range.end() })
}

pub(super) fn max_rejects(text: &str) -> Result<u64, ArgumentError> {
    match text {
        "all" => Ok(u64::MAX),
        number => number.parse().map_err(|_| ArgumentError::MaxRejects),
    }
}

/// A value that decides whose credentials are used. Refuses an empty one, such as that of an unset variable in a
/// script, which would silently select other credentials.
pub(super) fn identity(text: &str) -> Result<String, ArgumentError> {
    if text.is_empty() { Err(ArgumentError::Empty) } else { Ok(text.to_owned()) }
}

pub(super) fn endpoint(text: &str) -> Result<String, ArgumentError> {
    match endpoint_defect(text) {
        Some(defect) => Err(ArgumentError::EndpointDefect(defect)),
        None => Ok(text.trim_end_matches('/').to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_taken_exactly_or_not_at_all() {
        for (text, milli) in
            [("0.001", 1), (" 12.5 ", 12_500), ("100", 100_000), ("1.5000", 1500), (".5", 500), ("2.", 2000)]
        {
            assert_eq!(decimal_milli(text), Some(milli), "{text}");
        }
        for text in ["0.0001", "1.0001", "12.3456", "1e-4", "1e3", "+1", "-1", "", ".", "1.2.3", "1e30", "x"]
        {
            assert_eq!(decimal_milli(text), None, "{text}");
        }
        assert_eq!(decimal_milli("99999999999999999999"), None);
    }
}
