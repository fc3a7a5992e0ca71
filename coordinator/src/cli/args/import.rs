//! The arguments of `import`.

use std::time::Duration;

use clap::{Args, builder::FalseyValueParser, parser::ValueSource};

use super::{
    AwsArgs, ClusterArgs, ObjectArgs, ObserverArgs, Show, ShowArgs,
    error::ArgumentError,
    examples,
    values::{Rates, duration, max_rejects, object, tables, target, workers},
};
use crate::commands::import::{Check, ImportRequest};

/// Import a backup into a table.
///
/// Puts every item of the backup into the table, which must exist. Items with the same key are replaced,
/// others stay. The lines of an incremental export of DynamoDB state puts and deletes: both are done and
/// counted. Reads exports of tablehaul, of Data Pipeline (plain or compressed), of Hive, and of DynamoDB
/// itself (DynamoDB JSON and Amazon Ion, full and incremental); the format is detected from file contents.
/// Reads and checks everything once before it writes the first item.
#[derive(Debug, Args)]
#[command(after_help = examples::import())]
pub(in crate::cli) struct ImportArgs {
    /// The folder of the backup: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER")]
    folder: String,

    /// The table to write to: its name or ARN
    #[arg(value_name = "TABLE")]
    table: String,

    /// Share of the write capacity of the table, and of each index, to use, in percent [default: 25]
    #[arg(long, value_name = "P", env = "TABLEHAUL_WRITE_PERCENT")]
    write_percent: Option<String>,

    /// Write capacity units per second to use, regardless of the table's capacity
    #[arg(long, value_name = "N", env = "TABLEHAUL_WRITE_UNITS")]
    write_units: Option<String>,

    /// What to do with each item: put replaces one with the same key, put-if-absent keeps it, delete
    /// removes it
    #[arg(long, value_name = "MODE", env = "TABLEHAUL_MODE", default_value = "put",
        value_parser = ["put", "put-if-absent", "delete"])]
    mode: String,

    /// Maximum number of invalid lines to skip before the import fails, or "all"
    #[arg(long, value_name = "N", env = "TABLEHAUL_MAX_REJECTS", default_value = "0", value_parser = max_rejects)]
    max_rejects: u64,

    /// File to write invalid lines to, with position and reason: s3://bucket/key, file:///path or a path;
    /// not among the files of the backup
    #[arg(long, value_name = "FILE", env = "TABLEHAUL_REJECTS")]
    rejects: Option<String>,

    /// What to check before the first item is written: every line, or only the first of each file
    #[arg(long, value_name = "WHAT", env = "TABLEHAUL_CHECK", default_value = "all", value_parser = ["all", "first"])]
    check: String,

    /// Folder to record progress in, so that the same command can resume: s3://bucket/folder or a path
    #[arg(long, value_name = "FOLDER", env = "TABLEHAUL_STATE")]
    state: Option<String>,

    /// Discard the progress in the folder of --state and start again
    #[arg(long, env = "TABLEHAUL_RESTART", value_parser = FalseyValueParser::new(), requires = "state")]
    restart: bool,

    /// Stop cleanly before this much time has passed, such as 90m or 2h30m
    #[arg(long, value_name = "DURATION", env = "TABLEHAUL_DEADLINE", value_parser = duration)]
    deadline: Option<Duration>,

    /// Worker processes, 1 to 10000 [default: cores; on YARN as many as the rate needs, if they fit]
    #[arg(long, value_name = "N", env = "TABLEHAUL_WORKERS", value_parser = workers)]
    workers: Option<u32>,

    /// Only check everything and print the plan: files, items, rate, units, time, price
    #[arg(long, env = "TABLEHAUL_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,

    #[command(flatten)]
    show: ShowArgs,

    #[command(flatten)]
    observers: ObserverArgs,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    objects: ObjectArgs,
}

impl ImportArgs {
    pub(in crate::cli) fn show(&self) -> Result<Show, ArgumentError> {
        self.show.show(self.dry_run, &self.observers)
    }

    /// Whether the log is kept for `--logs`. A dry run writes nothing.
    pub(super) fn keeps_logs(&self) -> bool {
        self.observers.keeps_logs() && !self.dry_run
    }

    #[cfg(feature = "emr")]
    pub(super) fn aws(&self) -> &AwsArgs {
        &self.aws
    }

    /// The request that the arguments describe.
    ///
    /// # Errors
    /// Fails if an argument is invalid.
    pub(in crate::cli) fn request(self, matches: &clap::ArgMatches) -> Result<ImportRequest, ArgumentError> {
        let rate = Rates {
            verb: "write",
            percent: self.write_percent.as_deref(),
            units: self.write_units.as_deref(),
        };
        let table = tables(vec![self.table])?.swap_remove(0);
        let mut aws = self.aws.access();
        aws.lent = self.cluster.lends_credentials();
        self.objects.add_to(&mut aws.s3)?;
        let rejects =
            self.rejects.map(|text| object(&text).map_err(|error| ArgumentError::Rejects(error.into())));
        Ok(ImportRequest {
            folder: target(&self.folder)?,
            table,
            rate: rate.read(matches)?,
            workers: self.workers,
            max_rejects: self.max_rejects,
            rejects: rejects.transpose()?,
            mode: self.mode.parse()?,
            is_mode_named: matches.value_source("mode") != Some(ValueSource::DefaultValue),
            state: self.state.map(|text| target(&text)).transpose()?,
            restart: self.restart,
            deadline: self.deadline,
            check: if self.check == "first" { Check::First } else { Check::All },
            cluster: self.cluster.options(),
            aws,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command, command};
    use clap::FromArgMatches;
    use job::spec::{RateSpec, WriteMode};

    fn request(line: &str) -> Result<ImportRequest, String> {
        let words = std::iter::once("tablehaul").chain(line.split(' '));
        let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        let Command::Import(args) = Cli::from_arg_matches(&matches).unwrap().command else { panic!() };
        args.request(matches.subcommand_matches("import").unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_quarter_of_the_capacity_is_used_and_no_line_rejected_unless_asked() {
        let request = request("import s3://bucket/x Forum").unwrap();
        assert_eq!(request.rate, RateSpec::MilliPercent(25_000));
        assert_eq!((request.mode, request.max_rejects), (WriteMode::Put, 0));
        assert_eq!(request.check, Check::All);
    }

    #[test]
    fn what_is_typed_is_understood() {
        let line = "import /x Forum --write-units 20 --mode put-if-absent --max-rejects all --rejects /r/x.jsonl \
                    --check first";
        let request = request(line).unwrap();
        assert_eq!(request.rate, RateSpec::Units(job::capacity::Rate::from_units_per_second(20)));
        assert_eq!((request.mode, request.max_rejects), (WriteMode::PutIfAbsent, u64::MAX));
        assert_eq!(request.rejects.unwrap().to_string(), "file:///r/x.jsonl");
        assert_eq!(request.check, Check::First);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "--write-percent 101",
            "--write-units 0",
            "--write-units 1 --write-percent 1",
            "--mode check",
            "--max-rejects -1",
            "--rejects s3://bucket",
            "--rejects s3://bucket/folder/",
            "--rejects /folder/",
            "--rejects .",
            "--check some",
        ] {
            assert!(request(&format!("import /x Forum {wrong}")).is_err(), "{wrong}");
        }
        assert!(request("import /x a/b").is_err());
    }
}
