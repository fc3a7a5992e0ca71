//! The command line of the Java tool that Data Pipeline's templates run. It takes the same arguments, prints the same
//! lines on standard output and has the same exit codes, so that an existing step changes in one place. If JSON is
//! wanted, standard output holds nothing else.

mod error;
mod export;
mod import;
mod options;
mod spelling;
mod words;

use std::{process::ExitCode, sync::Arc};

use events::Command as Kind;
use jiff::{Timestamp, tz::TimeZone};
use job::{
    spec::RateSpec,
    target::{Typed, typed},
};

use super::{
    args::{self, Given, Show},
    done, run_one_export, run_one_import, signals,
};
use crate::{
    cluster::{self, ClusterOptions},
    failure::Failure,
    jobs::outcome::JobOutcome,
    observers,
    output::{
        display::{complain, fail, print, print_json},
        exit,
        progress::Progress,
        stderr,
    },
};
use options::Options;
use spelling::Spelling;
use words::{hadoop_path, plain, single_slashes};

/// The default ratio of the Java tool.
const JAVA_DEFAULT_MILLI_PERCENT: u64 = 50_000;
/// Wrong arguments. The Java tool exits with -1.
const WRONG_ARGUMENTS: u8 = 255;
/// Anything else.
const FAILED: u8 = 1;
/// The prefix of tablehaul's own options among those of the Java tool: `-Dtablehaul.if-complete=skip`.
const OWN: &str = "tablehaul.";
/// The least ratio: a thousandth of a percent.
const LEAST_RATIO: &str = "0.00001";

/// The main classes of the Java tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Export,
    Import,
}

impl Class {
    /// The class with this full name. Accepts the spelling of the tool's version 2 as well.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.strip_prefix("org.apache.hadoop.dynamodb.tools.")? {
            "DynamoDBExport" | "DynamoDbExport" => Some(Self::Export),
            "DynamoDBImport" | "DynamoDbImport" => Some(Self::Import),
            _ => None,
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Export => export::EXPORT_USAGE,
            Self::Import => import::IMPORT_USAGE,
        }
    }

    /// The subcommand of tablehaul that does the same.
    fn subcommand(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::Import => "import",
        }
    }

    /// What the command does to the table: `read` or `write`.
    fn verb(self) -> &'static str {
        match self {
            Self::Export => "read",
            Self::Import => "write",
        }
    }
}

/// Why the Java tool would exit with an error.
#[derive(Debug)]
enum JavaToolFailure {
    WrongArguments(String),
    /// The request makes no sense. Nothing was begun.
    Failed(String),
    Ended(Failure),
}

/// The ending for a request that makes no sense.
fn refused(error: impl std::error::Error) -> JavaToolFailure {
    JavaToolFailure::Failed(error.to_string())
}

/// Runs the class with the arguments that follow its name.
pub(super) fn main(class: Class, arguments: Vec<String>) -> ExitCode {
    let command = args::command();
    let commands = command.get_subcommands().filter(|one| matches!(one.get_name(), "export" | "import"));
    let spelling = Arc::new(Spelling::of(commands));
    match run_class(class, arguments, &spelling) {
        Ok(()) => ExitCode::SUCCESS,
        Err(JavaToolFailure::WrongArguments(why)) if exit::is_json_wanted() => {
            stderr::lines(class.usage());
            fail("usage", &why, WRONG_ARGUMENTS);
            ExitCode::from(WRONG_ARGUMENTS)
        }
        Err(JavaToolFailure::WrongArguments(why)) => {
            fail("usage", &why, WRONG_ARGUMENTS);
            print(class.usage());
            ExitCode::from(WRONG_ARGUMENTS)
        }
        Err(JavaToolFailure::Failed(why)) => failed("usage", &spelling.respelt(&why)),
        Err(JavaToolFailure::Ended(failure)) => {
            failed(failure.kind().name(), &spelling.respelt(&failure.to_string()))
        }
    }
}

fn failed(kind: &str, why: &str) -> ExitCode {
    observers::settle_failure((kind, why, FAILED), signals::stopped_at);
    fail(kind, why, FAILED);
    ExitCode::from(FAILED)
}

fn run_class(class: Class, arguments: Vec<String>, spelling: &Arc<Spelling>) -> Result<(), JavaToolFailure> {
    match class {
        Class::Export => export(arguments, spelling),
        Class::Import => import(arguments, spelling),
    }
}

fn export(arguments: Vec<String>, spelling: &Arc<Spelling>) -> Result<(), JavaToolFailure> {
    let (options, positional) = Options::split(Class::Export, arguments)
        .map_err(|error| JavaToolFailure::WrongArguments(error.to_string()))?;
    let (request, show) = export::request(&options, &positional)?;
    let run = |progress: &Progress| run_one_export(&request, &show, progress);
    let Some((reports, progress)) = reported(&options, &show, spelling, Kind::Export, run)? else {
        return Ok(());
    };
    let told = serde_json::to_value(&reports).ok();
    let report = reports.into_iter().next();
    if let Some(report) = report.as_ref().filter(|_| show.json) {
        print_json(report);
    }
    // The Java tool cannot write to the root of a bucket. tablehaul writes to a folder there, and prints that.
    let report = report.filter(|_| request.destination.is_bucket_root());
    let path = report.map_or_else(|| hadoop_path(&positional[0]), |report| report.destination);
    say(&format!("Output path: {path}"));
    done(progress.stream(), Kind::Export, told.as_ref());
    Ok(())
}

fn import(arguments: Vec<String>, spelling: &Arc<Spelling>) -> Result<(), JavaToolFailure> {
    let (options, positional) = Options::split(Class::Import, arguments)
        .map_err(|error| JavaToolFailure::WrongArguments(error.to_string()))?;
    let (request, show) = import::request(&options, &positional)?;
    let run = |progress: &Progress| run_one_import(&request, &show, progress);
    if let Some((report, progress)) = reported(&options, &show, spelling, Kind::Import, run)? {
        if show.json {
            print_json(&report);
        }
        done(progress.stream(), Kind::Import, Some(&report));
    }
    Ok(())
}

/// Runs a job, and returns what it reported and its progress. `None` if it was only planned: the plan is printed.
fn reported<T>(
    options: &Options,
    show: &Show,
    spelling: &Arc<Spelling>,
    kind: Kind,
    run: impl FnOnce(&Progress) -> Result<JobOutcome<T>, Failure>,
) -> Result<Option<(T, Progress)>, JavaToolFailure> {
    start(show)?;
    let progress = progress(spelling, show);
    match timed(options, show, || run(&progress))? {
        JobOutcome::Planned(text) => {
            print(&spelling.respelt(&text));
            done(progress.stream(), kind, None::<&()>);
            Ok(None)
        }
        JobOutcome::Done(report) => Ok(Some((report, progress))),
    }
}

/// Starts to log.
fn start(show: &Show) -> Result<(), JavaToolFailure> {
    super::start(0, show.observers.logs.is_some() && !show.dry_run).map_err(refused)
}

/// Prints a line of the Java tool.
fn say(line: &str) {
    if exit::is_json_wanted() {
        stderr::line(line);
    } else {
        print(line);
    }
}

/// Progress that spells options as this form does.
fn progress(spelling: &Arc<Spelling>, show: &Show) -> Progress {
    let spelling = spelling.clone();
    Progress::new(show.quiet).spelling(move |text| spelling.respelt(text))
}

/// Runs a job between the lines that the Java tool prints. A dry run prints none of them.
fn timed<T>(
    options: &Options,
    show: &Show,
    job: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, JavaToolFailure> {
    for warning in options.warnings() {
        complain(&format!("warning: {warning}"));
    }
    if show.dry_run {
        return job().map_err(JavaToolFailure::Ended);
    }
    let started = Timestamp::now();
    say(&format!("Job started: {}", java_date(started)));
    let outcome = job().map_err(JavaToolFailure::Ended)?;
    let ended = Timestamp::now();
    say(&format!("Job ended: {}", java_date(ended)));
    say(&format!("The job took {} seconds.", ended.duration_since(started).as_secs()));
    Ok(outcome)
}

/// The positional arguments.
struct Positional<'a> {
    path: &'a str,
    table: &'a str,
    rest: &'a [String],
}

impl<'a> Positional<'a> {
    /// Reads PATH, TABLE and at most `most` further arguments.
    fn read(arguments: &'a [String], most: usize) -> Result<Self, JavaToolFailure> {
        let [path, table, rest @ ..] = arguments else {
            return Err(JavaToolFailure::WrongArguments("PATH and TABLE are needed".into()));
        };
        match rest.get(most) {
            Some(surplus) => {
                Err(JavaToolFailure::WrongArguments(format!("{surplus:?} is one argument too many")))
            }
            None => Ok(Self { path, table, rest }),
        }
    }

    /// An argument after PATH and TABLE. An empty one counts as not given.
    fn get(&self, index: usize) -> Option<&'a str> {
        self.rest.get(index).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// PATH as Hadoop reads it, with single slashes.
    fn place(&self) -> String {
        single_slashes(self.path)
    }
}

/// Refuses a path without a scheme if the Java tool would take it for one in HDFS.
fn checked_place(path: &str, options: &Options, cluster: &ClusterOptions) -> Result<(), JavaToolFailure> {
    if typed(path) != Ok(Typed::Path) {
        return Ok(());
    }
    let default_fs = match options.default_fs() {
        Some(uri) => Ok(Some(uri.to_owned()).filter(|uri| !uri.starts_with("file:"))),
        None => cluster::default_file_system(cluster.hadoop_conf.as_deref()),
    };
    let why = match default_fs {
        Ok(None) => return Ok(()),
        Ok(Some(uri)) => format!("the Java tool takes it for a path in {uri} (fs.defaultFS)"),
        Err(why) => format!("tablehaul cannot find out what the Java tool would take it for: {why}"),
    };
    let here = args::target(path).map_or_else(|_| "file:///folder".to_owned(), |target| target.to_string());
    Err(JavaToolFailure::Failed(format!(
        "PATH {path} has no scheme: {why}; write {here} for the folder on this machine, or s3://bucket/folder"
    )))
}

/// The rate. The order of precedence is: an option of tablehaul given by name, RATIO, an option of the Java tool, an
/// environment variable, and the Java tool's default. `own` holds the named option or the variable.
fn rate(
    options: &Options,
    ratio: Option<&str>,
    given: &Given,
    own: RateSpec,
) -> Result<RateSpec, JavaToolFailure> {
    let verb = options.verb();
    let ids = [format!("{verb}_percent"), format!("{verb}_units")];
    let ratio = ratio.map(|text| of_ratio(text, verb)).transpose()?;
    let of_options = options.rate().map_err(refused)?;
    if ids.iter().any(|id| given.is_named(id)) {
        return Ok(own);
    }
    let by_variable = ids.iter().any(|id| given.is_variable(id)).then_some(own);
    let fallback = RateSpec::MilliPercent(JAVA_DEFAULT_MILLI_PERCENT);
    Ok(ratio.or(of_options).or(by_variable).unwrap_or(fallback))
}

fn of_ratio(text: &str, verb: &str) -> Result<RateSpec, JavaToolFailure> {
    let number: f64 = text
        .parse()
        .map_err(|_| JavaToolFailure::WrongArguments(format!("RATIO {text:?} is not a number")))?;
    options::milli_percent(number).map(RateSpec::MilliPercent).ok_or_else(|| {
        JavaToolFailure::Failed(format!("RATIO {text}: the {verb} ratio must be {LEAST_RATIO} or more"))
    })
}

/// The format of `java.util.Date.toString`.
fn java_date(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::system()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_date_looks_like_javas() {
        let date = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        assert_eq!(date.strftime("%a %b %d %H:%M:%S %Z %Y").to_string(), "Thu Jan 01 00:00:00 UTC 1970");
    }
}
