//! The command line of the Java tool that Data Pipeline's templates run, so that an existing step
//! changes in one place: same arguments, same lines on standard output, same exit codes.

mod import;
mod options;

use std::process::ExitCode;

use jiff::{Timestamp, tz::TimeZone};
use job::spec::RateSpec;

use super::{args, run, run_one_import};
use crate::{
    export::Outcome,
    failure::Failure,
    plan::Wishes,
    preflight::{ExportRequest, IfComplete},
    text::{complain, print},
};
use options::Options;

/// What the Java tool reads or writes at if it is not told.
const DEFAULT_MILLI_PERCENT: u64 = 50_000;
/// Wrong arguments; the Java tool's -1.
const WRONG_ARGUMENTS: u8 = 255;

const EXPORT_USAGE: &str = "\
usage: tablehaul org.apache.hadoop.dynamodb.tools.DynamoDBExport [-Dkey=value ...] PATH TABLE [RATIO] [SEGMENTS]
  PATH      s3://bucket/folder or file:///folder
  RATIO     share of the table's read capacity, e.g. 0.25; default 0.5
  SEGMENTS  of the parallel scan; by default as many as size and rate ask for";

/// The main classes of the Java tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Export,
    Import,
}

impl Class {
    /// By its full name, also in the spelling of the tool's version 2.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("org.apache.hadoop.dynamodb.tools.")? {
            "DynamoDBExport" | "DynamoDbExport" => Some(Self::Export),
            "DynamoDBImport" | "DynamoDbImport" => Some(Self::Import),
            _ => None,
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Export => EXPORT_USAGE,
            Self::Import => import::USAGE,
        }
    }

    /// What it does to the table.
    fn verb(self) -> &'static str {
        match self {
            Self::Export => "read",
            Self::Import => "write",
        }
    }
}

/// Why the Java tool would end.
#[derive(Debug)]
enum Ending {
    WrongArguments(String),
    Failed(String),
}

/// Runs the class with the arguments that follow its name.
pub(super) fn main(class: Class, arguments: Vec<String>) -> ExitCode {
    let ended = match class {
        Class::Export => export(arguments),
        Class::Import => import(arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ending::WrongArguments(why)) => {
            complain(&why);
            print(class.usage());
            ExitCode::from(WRONG_ARGUMENTS)
        }
        Err(Ending::Failed(why)) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn export(arguments: Vec<String>) -> Result<(), Ending> {
    let (options, positional) = Options::split(Class::Export, arguments).map_err(Ending::WrongArguments)?;
    let request = request(&options, &positional)?;
    let outcome = timed(&options, || run(&request, false, false))?;
    let path = match outcome {
        // The Java tool cannot write to a bare bucket; here it gets a folder.
        Outcome::Exported(reports) if request.destination.is_bucket_root() => {
            reports.into_iter().map(|report| report.destination).collect()
        }
        _ => hadoop_path(&positional[0]),
    };
    print(&format!("Output path: {path}"));
    Ok(())
}

fn import(arguments: Vec<String>) -> Result<(), Ending> {
    let (options, positional) = Options::split(Class::Import, arguments).map_err(Ending::WrongArguments)?;
    let request = import::request(&options, &positional)?;
    timed(&options, || run_one_import(&request, false, false)).map(drop)
}

/// Runs a job between the lines that the Java tool prints.
fn timed<T>(options: &Options, job: impl FnOnce() -> Result<T, Failure>) -> Result<T, Ending> {
    for warning in options.warnings() {
        complain(&format!("warning: {warning}"));
    }
    let started = Timestamp::now();
    print(&format!("Job started: {}", java_date(started)));
    let outcome = job().map_err(|failure| Ending::Failed(failure.to_string()))?;
    let ended = Timestamp::now();
    print(&format!("Job ended: {}", java_date(ended)));
    print(&format!("The job took {} seconds.", ended.duration_since(started).as_secs()));
    Ok(outcome)
}

/// As Hadoop's `Path` writes what was typed: single slashes, none at the end, no empty authority.
fn hadoop_path(typed: &str) -> String {
    let (scheme, rest) = match typed.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => (format!("{scheme}:"), rest),
        _ => (String::new(), typed),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let authority = if authority.is_empty() { String::new() } else { format!("//{authority}") };
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{scheme}{authority}{slash}{}", names.join("/"))
}

/// The positional arguments.
struct Positional<'a> {
    path: &'a str,
    table: &'a str,
    rest: &'a [String],
}

impl<'a> Positional<'a> {
    /// After PATH and TABLE there are `most` at most.
    fn read(arguments: &'a [String], most: usize) -> Result<Self, Ending> {
        let [path, table, rest @ ..] = arguments else {
            return Err(Ending::WrongArguments("PATH and TABLE are needed".into()));
        };
        match rest.get(most) {
            Some(surplus) => Err(Ending::WrongArguments(format!("{surplus:?} is one argument too many"))),
            None => Ok(Self { path, table, rest }),
        }
    }

    /// One of those after PATH and TABLE; an empty one is not given.
    fn get(&self, index: usize) -> Option<&'a str> {
        self.rest.get(index).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

fn request(options: &Options, positional: &[String]) -> Result<ExportRequest, Ending> {
    let arguments = Positional::read(positional, 2)?;
    let failed = Ending::Failed;
    let segments = match arguments.get(1) {
        Some(text) => Some(
            text.parse().map_err(|_| Ending::WrongArguments(format!("SEGMENTS {text:?} is no number")))?,
        ),
        None => options.segments().map_err(failed)?,
    };
    let segments = segments.map(job::task::TotalSegments::try_from).transpose();
    Ok(ExportRequest {
        tables: args::tables(vec![arguments.table.to_owned()]).map_err(failed)?,
        destination: args::target(arguments.path).map_err(failed)?,
        rate: rate(options, arguments.get(0))?,
        wishes: Wishes {
            segments: segments.map_err(|error| failed(error.to_string()))?,
            workers: None,
            consistent: false,
            compression: options.compression(),
        },
        if_complete: IfComplete::Refuse,
        restart: false,
        deadline: None,
        cluster: options.cluster().map_err(failed)?,
        aws: options.access().map_err(failed)?,
    })
}

fn rate(options: &Options, ratio: Option<&str>) -> Result<RateSpec, Ending> {
    let Some(text) = ratio else {
        let fallback = RateSpec::MilliPercent(DEFAULT_MILLI_PERCENT);
        return Ok(options.rate().map_err(Ending::Failed)?.unwrap_or(fallback));
    };
    let number: f64 =
        text.parse().map_err(|_| Ending::WrongArguments(format!("RATIO {text:?} is no number")))?;
    options::milli_percent(number)
        .map(RateSpec::MilliPercent)
        .ok_or_else(|| Ending::Failed(format!("RATIO {text}: the {} ratio must be over 0", options.verb())))
}

/// As `java.util.Date` prints itself.
fn java_date(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::system()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<ExportRequest, u8> {
        let words = line.split(' ').map(|word| word.replace("''", "")).collect();
        let (options, positional) = Options::split(Class::Export, words).map_err(|_| 255)?;
        request(&options, &positional).map_err(|ending| match ending {
            Ending::WrongArguments(_) => 255,
            Ending::Failed(_) => 1,
        })
    }

    #[test]
    fn both_spellings_of_the_classes_are_known() {
        for (verb, class) in [("Export", Class::Export), ("Import", Class::Import)] {
            for name in [format!("DynamoDB{verb}"), format!("DynamoDb{verb}")] {
                let full = format!("org.apache.hadoop.dynamodb.tools.{name}");
                assert_eq!(Class::named(&full), Some(class));
            }
        }
        assert_eq!(Class::named("export"), None);
    }

    #[test]
    fn a_step_of_the_templates_is_understood() {
        let request = parsed("s3://bucket/x/2026-01-01-00-00-00 Forum 0.25").unwrap();
        assert_eq!(request.rate, RateSpec::MilliPercent(25_000));
        assert_eq!(request.destination.to_string(), "s3://bucket/x/2026-01-01-00-00-00");
        let rate = |line: &str| parsed(line).map(|request| request.rate);
        assert_eq!(rate("s3://bucket/x Forum ''"), Ok(RateSpec::MilliPercent(50_000)));
        assert_eq!(rate("s3://bucket/x Forum"), Ok(RateSpec::MilliPercent(50_000)));
        assert_eq!(rate("s3://bucket/x Forum 1.5"), Ok(RateSpec::MilliPercent(150_000)));
        let segments = parsed("s3://bucket/x Forum 1 8").unwrap().wishes.segments;
        assert_eq!(segments.map(job::task::TotalSegments::get), Some(8));
    }

    #[test]
    fn wrong_arguments_end_as_the_java_tool_ends() {
        for (line, code) in [
            ("", 255),
            ("s3://bucket/x", 255),
            ("s3://bucket/x Forum abc", 255),
            ("s3://bucket/x Forum 0", 1),
            ("s3://bucket/x Forum -1", 1),
            ("s3://bucket/x Forum 0.5 x", 255),
            ("s3://bucket/x Forum 0.5 0", 1),
            ("s3://bucket/x Forum 0.5 8 9", 255),
            ("gopher://x Forum", 1),
        ] {
            assert_eq!(parsed(line).err(), Some(code), "{line}");
        }
    }

    #[test]
    fn a_path_looks_like_hadoops() {
        for (typed, written) in [
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("s3n://bucket//a/b/", "s3n://bucket/a/b"),
            ("file:///tmp/x", "file:/tmp/x"),
            ("file:/tmp//x/", "file:/tmp/x"),
            ("/tmp/2026-01-01T00:00/", "/tmp/2026-01-01T00:00"),
            ("x/y", "x/y"),
        ] {
            assert_eq!(hadoop_path(typed), written);
        }
    }

    #[test]
    fn a_date_looks_like_javas() {
        let date = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        assert_eq!(date.strftime("%a %b %d %H:%M:%S %Z %Y").to_string(), "Thu Jan 01 00:00:00 UTC 1970");
    }
}
