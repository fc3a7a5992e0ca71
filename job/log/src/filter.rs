//! Which of our modules log at which level.

use std::{fmt, str::FromStr};

use tracing::{Level, level_filters::LevelFilter};

/// Our crates. A module is named by its path, which begins with one of them.
const CRATES: [&str; 7] = ["coordinator", "engine", "files", "format", "job", "job_aws", "worker"];

/// Which events are logged: the most detailed level of each module.
///
/// As text it is a list with commas of `LEVEL`, for all modules, and `MODULE=LEVEL`. The longest name of a module that
/// fits wins; of several equal ones the last. Modules of other crates never log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    all: LevelFilter,
    modules: Vec<(String, LevelFilter)>,
}

/// A part of a filter that is malformed. One line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is not a level.
    #[error("\"{0}\" is not a level: use off, error, warn, info, debug or trace")]
    Level(String),
    /// It names no module of ours.
    #[error("\"{0}\" is not a module of tablehaul: use a name such as coordinator::journal or worker")]
    Module(String),
}

impl Filter {
    /// All modules at this level.
    pub fn all(level: LevelFilter) -> Self {
        Self { all: level, modules: Vec::new() }
    }

    /// The filter that also lets everything of this level through.
    #[must_use]
    pub fn at_least(mut self, level: LevelFilter) -> Self {
        self.all = self.all.max(level);
        for (_, of_module) in &mut self.modules {
            *of_module = level.max(*of_module);
        }
        self
    }

    /// Whether the filter admits a log line, by its level and module; false for any other text.
    pub fn passes(&self, line: &str) -> bool {
        let mut words = line.split(' ').skip(1);
        let level = words.next().and_then(|word| word.parse::<Level>().ok());
        let module = words.next().and_then(|word| word.strip_suffix(':'));
        level.zip(module).is_some_and(|(level, module)| level <= self.level(module))
    }

    /// The most detailed level of a module.
    pub(crate) fn level(&self, module: &str) -> LevelFilter {
        if !is_ours(module) {
            return LevelFilter::OFF;
        }
        let fitting = self.modules.iter().filter(|(name, _)| is_within(module, name));
        fitting.max_by_key(|(name, _)| name.len()).map_or(self.all, |&(_, level)| level)
    }

    /// The most detailed level of any module.
    pub(crate) fn most(&self) -> LevelFilter {
        self.modules.iter().map(|&(_, level)| level).fold(self.all, Ord::max)
    }
}

/// Whether a module is `outer` or lies in it.
fn is_within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn level(text: &str) -> Result<LevelFilter, FilterError> {
    let text = text.trim();
    // LevelFilter reads an empty text as a level.
    let level = Some(text).filter(|text| !text.is_empty()).and_then(|text| text.parse().ok());
    level.ok_or_else(|| FilterError::Level(text.to_owned()))
}

fn is_ours(module: &str) -> bool {
    CRATES.iter().any(|name| is_within(module, name))
}

impl FromStr for Filter {
    type Err = FilterError;
    fn from_str(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::all(LevelFilter::OFF);
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => filter.all = level(part)?,
                Some((module, _)) if !is_ours(module.trim()) => {
                    return Err(FilterError::Module(module.trim().to_owned()));
                }
                Some((module, text)) => filter.modules.push((module.trim().to_owned(), level(text)?)),
            }
        }
        Ok(filter)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.all)?;
        self.modules.iter().try_for_each(|(name, level)| write!(out, ",{name}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_decides() {
        let filter: Filter =
            "info, coordinator=off ,coordinator::journal=trace,worker=debug".parse().unwrap();
        for (module, level) in [
            ("engine::schedule", LevelFilter::INFO),
            ("coordinator::driver", LevelFilter::OFF),
            ("coordinator::journal", LevelFilter::TRACE),
            ("coordinator::journal::writer", LevelFilter::TRACE),
            ("coordinator::journals", LevelFilter::OFF),
            ("worker", LevelFilter::DEBUG),
            ("workers", LevelFilter::OFF),
            ("aws_smithy_runtime", LevelFilter::OFF),
        ] {
            assert_eq!(filter.level(module), level, "{module}");
        }
        assert_eq!(filter.most(), LevelFilter::TRACE);
        assert_eq!(filter.to_string().parse(), Ok(filter));
        assert_eq!(Filter::all(LevelFilter::WARN).to_string(), "warn");
    }

    #[test]
    fn a_filter_for_two_readers_lets_through_what_either_wants() {
        let filter: Filter = "warn,coordinator::journal=trace,worker=off".parse().unwrap();
        let both = filter.clone().at_least(LevelFilter::DEBUG);
        assert_eq!(both.to_string(), "debug,coordinator::journal=trace,worker=debug");
        for (line, passes) in [
            ("2026-01-02T03:04:05.678Z WARN coordinator::driver: lost worker=3", true),
            ("2026-01-02T03:04:05.678Z INFO coordinator::driver: done", false),
            ("2026-01-02T03:04:05.678Z TRACE coordinator::journal: written", true),
            ("2026-01-02T03:04:05.678Z ERROR worker::scan: torn", false),
            ("2026-01-02T03:04:05.678Z WARN hyper::proto: frame", false),
            ("no line of a log", false),
            ("", false),
        ] {
            assert_eq!(filter.passes(line), passes, "{line}");
        }
    }

    #[test]
    fn what_is_no_level_or_no_module_of_ours_is_refused() {
        for wrong in ["", "loud", "info,", "info,,debug", "worker=", "worker=loud", "worker=info=debug"] {
            assert!(matches!(wrong.parse::<Filter>(), Err(FilterError::Level(_))), "{wrong}");
        }
        for wrong in ["aws_sigv4=trace", "hyper=debug", "h2=trace", "=info", "workers=info", "tonic=off"] {
            assert!(matches!(wrong.parse::<Filter>(), Err(FilterError::Module(_))), "{wrong}");
        }
    }
}
