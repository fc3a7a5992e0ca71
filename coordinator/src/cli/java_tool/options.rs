//! The `-D` options of the Java tool: those that have an effect here, and warnings about the others.

use std::collections::BTreeMap;

use job::{
    capacity::Rate,
    endpoint,
    spec::{AwsAccess, Compression, RateSpec, WriteMode},
};

use super::{Class, Given, JavaToolFailure, OWN, error::OptionError, plain, single_slashes};
use crate::{
    cli::args::{CANNED_ACLS, command},
    cluster::ClusterOptions,
};

/// Options of Hadoop's tools that take a value and have no effect here.
const GENERIC: [&str; 6] = ["-conf", "-fs", "-jt", "-files", "-libjars", "-archives"];
/// Keys of the Java tool and of Hadoop that have an effect on both exports and imports.
const KNOWN: [&str; 11] = [
    "fs.s3.canned.acl",
    "dynamodb.region",
    "dynamodb.regionid",
    "dynamodb.endpoint",
    "dynamodb.max.map.tasks",
    QUEUES[0],
    QUEUES[1],
    // These decide only what a path without a scheme means.
    DEFAULT_FS[0],
    DEFAULT_FS[1],
    // tablehaul always does what these ask for: it writes nothing twice, and its jobs have no reducers.
    "mapreduce.map.speculative",
    "mapred.map.tasks.speculative.execution",
];
/// The file system of paths without a scheme: the key of Hadoop 2 and later, then the earlier one.
const DEFAULT_FS: [&str; 2] = ["fs.defaultFS", "fs.default.name"];
/// The YARN queue: the key of Hadoop 2 and later, then the earlier one.
const QUEUES: [&str; 2] = ["mapreduce.job.queuename", "mapred.job.queue.name"];
/// Whether to compress: the key of Hadoop 2 and later, then the earlier one.
const COMPRESS: [&str; 2] = ["mapreduce.output.fileoutputformat.compress", "mapred.output.compress"];
/// The keys of an export.
const KNOWN_OF_EXPORT: [&str; 7] = [
    "dynamodb.scan.segments",
    "dynamodb.throughput.read",
    "dynamodb.throughput.read.percent",
    COMPRESS[0],
    "mapreduce.output.fileoutputformat.compress.codec",
    COMPRESS[1],
    "mapred.output.compression.codec",
];
/// The keys of an import.
const KNOWN_OF_IMPORT: [&str; 3] =
    ["dynamodb.throughput.write", "dynamodb.throughput.write.percent", DELETION_MODE];
/// Makes an import remove the items of the backup from the table.
const DELETION_MODE: &str = "dynamodb.deletion.mode";

/// The options before the positional arguments.
#[derive(Debug)]
pub(super) struct Options {
    /// The class that they are for.
    class: Class,
    defined: BTreeMap<String, String>,
    /// The options of tablehaul, by their names on its command line.
    own: BTreeMap<String, String>,
    ignored: Vec<String>,
    ratio_warning: Option<String>,
}

impl Options {
    /// Splits options from positional arguments as Hadoop's `GenericOptionsParser` does: options come first. Removes
    /// blanks and quotes around an argument or a value.
    pub(super) fn split(class: Class, arguments: Vec<String>) -> Result<(Self, Vec<String>), OptionError> {
        let (defined, own) = (BTreeMap::new(), BTreeMap::new());
        let mut options = Self { class, defined, own, ignored: Vec::new(), ratio_warning: None };
        let mut arguments = arguments.into_iter().map(|argument| plain(&argument).to_owned()).peekable();
        while let Some(argument) = arguments.next_if(|argument| is_option(argument)) {
            if GENERIC.contains(&argument.as_str()) {
                let value = arguments.next().ok_or_else(|| OptionError::NoValue(argument.clone()))?;
                match (argument.as_str(), value.as_str()) {
                    ("-fs", "local") => options.define(DEFAULT_FS[0], "file:///"),
                    ("-fs", uri) => options.define(DEFAULT_FS[0], uri),
                    _ => options.ignored.push(argument),
                }
                continue;
            }
            let defined = match argument.strip_prefix("-D") {
                Some("") => arguments.next().ok_or(OptionError::NothingDefined)?,
                Some(defined) => defined.to_owned(),
                None => return Err(unknown(argument)),
            };
            let defined = plain(&defined);
            let (key, value) =
                defined.split_once('=').ok_or_else(|| OptionError::NotDefined(defined.to_owned()))?;
            options.define(key.trim(), plain(value));
        }
        let positional: Vec<String> = arguments.collect();
        let ratio = positional.get(2).and_then(|text| text.trim().parse::<f64>().ok());
        options.ratio_warning = ratio.filter(|&ratio| ratio > 1.0).map(|ratio| {
            format!(
                "RATIO {ratio} is more than the whole capacity of the table; other users of the table will \
                 be throttled"
            )
        });
        Ok((options, positional))
    }

    fn define(&mut self, key: &str, value: &str) {
        match key.strip_prefix(OWN) {
            Some(name @ ("state" | "rejects")) => self.own.insert(name.to_owned(), single_slashes(value)),
            Some(name) => self.own.insert(name.to_owned(), value.to_owned()),
            None => self.defined.insert(key.to_owned(), value.to_owned()),
        };
    }

    /// The options of tablehaul, by their names on its command line.
    pub(super) fn own(&self) -> Result<&BTreeMap<String, String>, JavaToolFailure> {
        let (command, subcommand) = (command(), self.class.subcommand());
        let known = command.find_subcommand(subcommand).into_iter().flat_map(clap::Command::get_arguments);
        let global = command.get_arguments().filter(|option| option.is_global_set());
        let known: Vec<&str> = known.chain(global).filter_map(clap::Arg::get_long).collect();
        match self.own.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(JavaToolFailure::Failed(format!(
                "-D{OWN}{name}: there is no such option; `tablehaul help {subcommand}` lists them"
            ))),
            None => Ok(&self.own),
        }
    }

    /// The file system of paths without a scheme, if an option sets it.
    pub(super) fn default_fs(&self) -> Option<&str> {
        DEFAULT_FS.iter().find_map(|key| self.get(key))
    }

    /// What the command does to the table: `read` or `write`.
    pub(super) fn verb(&self) -> &'static str {
        self.class.verb()
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.defined.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, OptionError> {
        let not_a_number =
            |text: &str| OptionError::NotANumber { key: key.to_owned(), text: text.to_owned() };
        let parse = |text: &str| text.parse().map_err(|_| not_a_number(text));
        self.get(key).map(parse).transpose()
    }

    pub(super) fn segments(&self) -> Result<Option<u32>, OptionError> {
        self.number("dynamodb.scan.segments")
    }

    /// Sets where workers run, and how many.
    pub(super) fn place_workers(
        &self,
        given: &Given,
        cluster: &mut ClusterOptions,
        workers: &mut Option<u32>,
    ) -> Result<(), OptionError> {
        if let Some(most) = self.number::<u32>("dynamodb.max.map.tasks")? {
            cluster.most_workers = Some(most.max(1));
            *workers = workers.filter(|_| given.is_named("workers"));
        }
        let queue = QUEUES.into_iter().find_map(|key| self.get(key)).map(str::to_owned);
        cluster.queue = given.or("yarn_queue", cluster.queue.take(), queue.map(Some));
        Ok(())
    }

    pub(super) fn rate(&self) -> Result<Option<RateSpec>, OptionError> {
        let verb = self.verb();
        let key = format!("dynamodb.throughput.{verb}");
        if let Some(units) = self.number::<u64>(&key)?.filter(|&units| units > 0) {
            return Ok(Some(RateSpec::Units(Rate::from_units_per_second(units))));
        }
        let key = format!("dynamodb.throughput.{verb}.percent");
        let Some(ratio) = self.number::<f64>(&key)? else { return Ok(None) };
        let rate = milli_percent(ratio).map(RateSpec::MilliPercent);
        rate.map(Some).ok_or(OptionError::Ratio { key, ratio, verb })
    }

    /// What an import does with the items.
    ///
    /// # Errors
    /// Fails if one option asks to remove the items and another asks not to.
    pub(super) fn mode(&self, given: &Given, own: WriteMode) -> Result<WriteMode, OptionError> {
        let deletes = self.get(DELETION_MODE).map(|value| value.eq_ignore_ascii_case("true"));
        if let Some(deletes) = deletes
            && given.is_named("mode")
            && deletes != (own == WriteMode::Delete)
        {
            return Err(OptionError::Contradiction { key: DELETION_MODE, deletes, mode: own });
        }
        let mode = deletes.map(|deletes| if deletes { WriteMode::Delete } else { WriteMode::Put });
        Ok(given.or("mode", own, mode))
    }

    fn codec(&self) -> Option<&str> {
        let key = |new, old| self.get(new).or_else(|| self.get(old));
        let compress = key(COMPRESS[0], COMPRESS[1])?;
        if !compress.eq_ignore_ascii_case("true") {
            return None;
        }
        Some(
            key("mapreduce.output.fileoutputformat.compress.codec", "mapred.output.compression.codec")
                .unwrap_or("DefaultCodec"),
        )
    }

    /// The compression, or `None` if no option sets it.
    pub(super) fn compression(&self) -> Option<Compression> {
        COMPRESS.iter().find_map(|key| self.get(key))?;
        Some(match self.codec().map(|class| class.rsplit('.').next().unwrap_or_default()) {
            None => Compression::None,
            Some("ZStandardCodec") => Compression::Zstd,
            Some(_) => Compression::Gzip,
        })
    }

    fn acl(&self) -> Result<Option<String>, OptionError> {
        let Some(typed) = self.get("fs.s3.canned.acl") else { return Ok(None) };
        let acl = canned_acl(typed);
        if CANNED_ACLS.contains(&acl.as_str()) {
            return Ok(Some(acl));
        }
        Err(OptionError::Acl(typed.to_owned()))
    }

    /// Sets how to reach DynamoDB and S3. The region applies to DynamoDB alone, as in the Java tool, which reaches S3
    /// by the configuration of its file system. An endpoint takes precedence over a region, as in the Java tool
    /// (`DynamoDBUtil.getDynamoDBEndpoint`).
    ///
    /// # Errors
    /// Fails if S3 has no such canned ACL.
    pub(super) fn reach(&self, given: &Given, access: &mut AwsAccess) -> Result<(), OptionError> {
        let text = |key| self.get(key).map(str::to_owned);
        let endpoint = text("dynamodb.endpoint")
            .map(|endpoint| if endpoint.contains("://") { endpoint } else { format!("https://{endpoint}") });
        let of_endpoint = endpoint.as_deref().and_then(endpoint::dynamodb_region).map(str::to_owned);
        let region = of_endpoint.or_else(|| text("dynamodb.region")).or_else(|| text("dynamodb.regionid"));
        access.region = given.or("region", access.region.take(), region.map(Some));
        access.dynamodb_endpoint =
            given.or("dynamodb_endpoint", access.dynamodb_endpoint.take(), endpoint.map(Some));
        access.s3.acl = given.or("s3_acl", access.s3.acl.take(), self.acl()?.map(Some));
        Ok(())
    }

    /// Warnings about options that have another effect than their name says, or none.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.ratio_warning.iter().cloned().collect();
        if self.class == Class::Export
            && let Some(codec) = self.codec()
            && !codec.ends_with("GzipCodec")
            && !codec.ends_with("ZStandardCodec")
        {
            warnings.push(format!("{codec} is not supported; the files are compressed with gzip"));
        }
        let of_class = match self.class {
            Class::Export => &KNOWN_OF_EXPORT[..],
            Class::Import => &KNOWN_OF_IMPORT,
        };
        let is_known = |key: &str| KNOWN.contains(&key) || of_class.contains(&key);
        let unknown = self.defined.keys().filter(|key| !is_known(key));
        let unknown: Vec<&str> = unknown.chain(&self.ignored).map(String::as_str).collect();
        if !unknown.is_empty() {
            warnings.push(format!("ignored: {}", unknown.join(", ")));
        }
        warnings
    }
}

/// The error for an option that Hadoop does not have. Says how to give an option of tablehaul.
fn unknown(argument: String) -> OptionError {
    let name = argument.split('=').next().unwrap_or_default().trim_start_matches('-');
    if argument.starts_with("--") && !matches!(name, "" | "help" | "version") {
        let name = name.to_owned();
        return OptionError::Own { argument, name };
    }
    OptionError::Unknown(argument)
}

fn is_option(argument: &str) -> bool {
    argument.starts_with('-') && argument.parse::<f64>().is_err() && argument.len() > 1
}

/// A ratio in thousandths of a percent: 1 is 100,000. `None` if it is less than the least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` saturates"
)]
pub(super) fn milli_percent(ratio: f64) -> Option<u64> {
    let milli = ratio * 100_000.0;
    // A `f64` is not exact.
    (milli.is_finite() && milli > 0.999_999).then_some(milli.round() as u64)
}

/// The S3 spelling of a canned ACL: `BucketOwnerFullControl` of EMRFS is `bucket-owner-full-control`.
fn canned_acl(name: &str) -> String {
    let mut acl = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !acl.is_empty() && !acl.ends_with('-') {
            acl.push('-');
        }
        acl.push(letter.to_ascii_lowercase());
    }
    acl
}

#[cfg(test)]
mod tests;
