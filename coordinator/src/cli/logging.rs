//! What is logged to standard error: nothing, unless `-v` or `TABLEHAUL_LOG` asks for it. `--logs` also gets what `-vv`
//! shows.

use log_lines::{Filter, FilterError};
use tracing::{info, level_filters::LevelFilter};

use crate::output::{self, stderr};

/// The variable with the filter. `-v` wins over it. An empty one counts as not set.
const LOG_VARIABLE: &str = "TABLEHAUL_LOG";

/// The variable does not hold a filter.
#[derive(Debug, thiserror::Error)]
#[error("{LOG_VARIABLE}: {0}")]
pub(super) struct VariableError(#[from] FilterError);

/// Starts to log. `verbose` says how often `-v` was given, `is_kept` whether the log is also kept for `--logs`.
///
/// # Errors
/// Fails if the variable is malformed, even if `-v` is given.
pub(super) fn start(verbose: u8, is_kept: bool) -> Result<(), VariableError> {
    let variable = std::env::var_os(LOG_VARIABLE).unwrap_or_default();
    let shown = filter(verbose, &variable.to_string_lossy())?;
    let filter = if is_kept {
        output::kept::begin();
        stderr::show_log(shown.clone());
        let filter = shown.unwrap_or_else(|| Filter::all(LevelFilter::OFF));
        Some(filter.at_least(LevelFilter::DEBUG))
    } else {
        shown
    };
    let Some(filter) = filter else { return Ok(()) };
    log_lines::start(filter, String::new(), |line| stderr::log(&line));
    info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "tablehaul started");
    Ok(())
}

fn filter(verbose: u8, variable: &str) -> Result<Option<Filter>, VariableError> {
    let by_variable = match variable {
        "" => None,
        text => Some(text.parse()?),
    };
    Ok(match verbose {
        0 => by_variable,
        1 => Some(Filter::all(LevelFilter::INFO)),
        2 => Some(Filter::all(LevelFilter::DEBUG)),
        _ => Some(Filter::all(LevelFilter::TRACE)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_variable_which_must_be_a_filter_all_the_same() {
        let text = |verbose, variable| {
            let filter = filter(verbose, variable).map_err(|error| error.to_string());
            filter.map(|filter| filter.map(|filter| filter.to_string()))
        };
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(text(0, ""), Ok(None));
        assert_eq!(text(0, "info,worker=trace"), some("info,worker=trace"));
        assert_eq!(text(1, "trace"), some("info"));
        assert_eq!(text(2, ""), some("debug"));
        assert_eq!(text(9, ""), some("trace"));
        let wrong = "TABLEHAUL_LOG: \"loud\" is not a level: use off, error, warn, info, debug or trace";
        assert_eq!(text(1, "loud"), Err(wrong.to_owned()));
    }
}
