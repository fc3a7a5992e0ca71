//! The `-D` options of the Java tool: those that mean something here, and a word about the others.

use std::collections::BTreeMap;

use job::{
    capacity::Rate,
    spec::{AwsAccess, Compression, RateSpec, WriteMode},
};

use super::Class;
use crate::{
    cli::args::{CANNED_ACLS, cluster_of_variables, s3_of_variables},
    cluster::ClusterWishes,
};

/// Options of Hadoop's tools that take a value and mean nothing here.
const GENERIC: [&str; 6] = ["-conf", "-fs", "-jt", "-files", "-libjars", "-archives"];
/// Keys of the Java tool and of Hadoop that are honoured whatever is run.
const KNOWN: [&str; 8] = [
    "dynamodb.region",
    "dynamodb.regionid",
    "dynamodb.endpoint",
    "dynamodb.max.map.tasks",
    QUEUES[0],
    QUEUES[1],
    // What they ask for is so anyway: nothing is written twice, jobs have no reducers.
    "mapreduce.map.speculative",
    "mapred.map.tasks.speculative.execution",
];
/// The queue of YARN to run in, by its name in Hadoop 2 and later, and before.
const QUEUES: [&str; 2] = ["mapreduce.job.queuename", "mapred.job.queue.name"];
/// Those of an export.
const KNOWN_OF_EXPORT: [&str; 8] = [
    "dynamodb.scan.segments",
    "dynamodb.throughput.read",
    "dynamodb.throughput.read.percent",
    "mapreduce.output.fileoutputformat.compress",
    "mapreduce.output.fileoutputformat.compress.codec",
    "mapred.output.compress",
    "mapred.output.compression.codec",
    "fs.s3.canned.acl",
];
/// Those of an import.
const KNOWN_OF_IMPORT: [&str; 3] =
    ["dynamodb.throughput.write", "dynamodb.throughput.write.percent", DELETION_MODE];
/// An import then removes the items of the backup from the table.
const DELETION_MODE: &str = "dynamodb.deletion.mode";

/// The options before the positional arguments.
#[derive(Debug)]
pub(super) struct Options {
    /// Whose.
    class: Class,
    defined: BTreeMap<String, String>,
    ignored: Vec<String>,
    ratio_warning: Option<String>,
}

impl Options {
    /// Splits options from positional arguments, as Hadoop's `GenericOptionsParser` does: options
    /// come first.
    pub(super) fn split(class: Class, arguments: Vec<String>) -> Result<(Self, Vec<String>), String> {
        let mut options = Self { class, defined: BTreeMap::new(), ignored: Vec::new(), ratio_warning: None };
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next_if(|argument| is_option(argument)) {
            if GENERIC.contains(&argument.as_str()) {
                arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
                options.ignored.push(argument);
                continue;
            }
            let defined = match argument.strip_prefix("-D") {
                Some("") => arguments.next().ok_or("-D needs key=value")?,
                Some(defined) => defined.to_owned(),
                None => return Err(format!("unknown option {argument}")),
            };
            let (key, value) = defined.split_once('=').ok_or_else(|| format!("-D{defined}: no key=value"))?;
            options.defined.insert(key.trim().to_owned(), value.trim().to_owned());
        }
        let positional: Vec<String> = arguments.collect();
        let ratio = positional.get(2).and_then(|text| text.trim().parse::<f64>().ok());
        options.ratio_warning = ratio.filter(|&ratio| ratio > 1.0).map(|ratio| {
            format!("RATIO {ratio} is more than the whole capacity of the table; others will be throttled")
        });
        Ok((options, positional))
    }

    /// What is done to the table.
    pub(super) fn verb(&self) -> &'static str {
        self.class.verb()
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.defined.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("-D{key}={text}: not a number"));
        self.get(key).map(parse).transpose()
    }

    pub(super) fn segments(&self) -> Result<Option<u32>, String> {
        self.number("dynamodb.scan.segments")
    }

    /// Where workers run: what the variables say; these options know of the queue and the most workers.
    pub(super) fn cluster(&self) -> Result<ClusterWishes, String> {
        let wishes = cluster_of_variables()?;
        let most: Option<u32> = self.number("dynamodb.max.map.tasks")?;
        let queue = QUEUES.into_iter().find_map(|key| self.get(key)).map(str::to_owned);
        Ok(ClusterWishes {
            most_workers: most.map(|most| most.max(1)),
            queue: queue.or(wishes.queue),
            ..wishes
        })
    }

    pub(super) fn rate(&self) -> Result<Option<RateSpec>, String> {
        let verb = self.verb();
        let key = format!("dynamodb.throughput.{verb}");
        if let Some(units) = self.number::<u64>(&key)?.filter(|&units| units > 0) {
            return Ok(Some(RateSpec::Units(Rate::from_units_per_second(units))));
        }
        let key = format!("dynamodb.throughput.{verb}.percent");
        let Some(ratio) = self.number::<f64>(&key)? else { return Ok(None) };
        let wrong = || format!("-D{key}={ratio}: the {verb} ratio must be over 0");
        milli_percent(ratio).map(RateSpec::MilliPercent).map(Some).ok_or_else(wrong)
    }

    /// What an import does with the items.
    pub(super) fn mode(&self) -> WriteMode {
        let deletes = self.get(DELETION_MODE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if deletes { WriteMode::Delete } else { WriteMode::Put }
    }

    fn codec(&self) -> Option<&str> {
        let key = |new, old| self.get(new).or_else(|| self.get(old));
        let compress = key("mapreduce.output.fileoutputformat.compress", "mapred.output.compress")?;
        if !compress.eq_ignore_ascii_case("true") {
            return None;
        }
        Some(
            key("mapreduce.output.fileoutputformat.compress.codec", "mapred.output.compression.codec")
                .unwrap_or("DefaultCodec"),
        )
    }

    pub(super) fn compression(&self) -> Compression {
        match self.codec().map(|class| class.rsplit('.').next().unwrap_or_default()) {
            None => Compression::None,
            Some("ZStandardCodec") => Compression::Zstd,
            Some(_) => Compression::Gzip,
        }
    }

    fn acl(&self) -> Result<Option<String>, String> {
        let Some(typed) = self.get("fs.s3.canned.acl") else { return Ok(None) };
        let acl = canned_acl(typed);
        if CANNED_ACLS.contains(&acl.as_str()) {
            return Ok(Some(acl));
        }
        Err(format!("-Dfs.s3.canned.acl={typed}: none of S3's canned ACLs"))
    }

    pub(super) fn access(&self) -> Result<AwsAccess, String> {
        let text = |key| self.get(key).map(str::to_owned);
        let endpoint = text("dynamodb.endpoint")
            .map(|endpoint| if endpoint.contains("://") { endpoint } else { format!("https://{endpoint}") });
        // There are no flags in this form, so what the variables say holds.
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut s3 = s3_of_variables()?;
        s3.acl = self.acl()?.or(s3.acl);
        Ok(AwsAccess {
            region: text("dynamodb.region")
                .or_else(|| text("dynamodb.regionid"))
                .or_else(|| variable("TABLEHAUL_REGION")),
            s3_region: variable("TABLEHAUL_S3_REGION"),
            dynamodb_endpoint: endpoint.or_else(|| variable("TABLEHAUL_DYNAMODB_ENDPOINT")),
            s3_endpoint: variable("TABLEHAUL_S3_ENDPOINT"),
            profile: variable("TABLEHAUL_PROFILE"),
            assume_role: variable("TABLEHAUL_ASSUME_ROLE"),
            external_id: variable("TABLEHAUL_EXTERNAL_ID"),
            s3,
        })
    }

    /// What the user should know about options that do not do what they say.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.ratio_warning.iter().cloned().collect();
        if self.class == Class::Export
            && let Some(codec) = self.codec()
            && !codec.ends_with("GzipCodec")
            && !codec.ends_with("ZStandardCodec")
        {
            warnings.push(format!("{codec} is not supported; the files are compressed by gzip"));
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

fn is_option(argument: &str) -> bool {
    argument.starts_with('-') && argument.parse::<f64>().is_err() && argument.len() > 1
}

/// A ratio of 1 is 100,000 thousandths of a percent; nothing if it is not over 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn milli_percent(ratio: f64) -> Option<u64> {
    let milli = (ratio * 100_000.0).round();
    (milli.is_finite() && milli >= 1.0).then_some(milli as u64)
}

/// `BucketOwnerFullControl`, as EMRFS spells it, is `bucket-owner-full-control` in S3.
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
mod tests {
    use super::*;

    fn options(words: &[&str]) -> (Options, Vec<String>) {
        of(Class::Export, words)
    }

    fn of(class: Class, words: &[&str]) -> (Options, Vec<String>) {
        Options::split(class, words.iter().map(ToString::to_string).collect()).unwrap()
    }

    #[test]
    fn options_before_the_arguments_are_split_off() {
        let (options, rest) = options(&[
            "-Dfs.s3.canned.acl=BucketOwnerFullControl",
            "-D",
            "dynamodb.region=eu-west-1",
            "-libjars",
            "x.jar",
            "-Dmy.key=1",
            "s3://b/x",
            "Forum",
            "2",
        ]);
        assert_eq!(rest, ["s3://b/x", "Forum", "2"]);
        let access = options.access().unwrap();
        assert_eq!(access.s3.acl.as_deref(), Some("bucket-owner-full-control"));
        assert_eq!(access.region.as_deref(), Some("eu-west-1"));
        let warnings = options.warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert_eq!(warnings[1], "ignored: my.key, -libjars");
    }

    #[test]
    fn compression_is_asked_for_as_in_hadoop() {
        let compressed = "-Dmapreduce.output.fileoutputformat.compress=true";
        let codec = "-Dmapreduce.output.fileoutputformat.compress.codec=org.apache.hadoop.io.compress.";
        assert_eq!(options(&[compressed]).0.compression(), Compression::Gzip);
        assert_eq!(options(&[compressed]).0.warnings().len(), 1);
        let zstd = format!("{codec}ZStandardCodec");
        assert_eq!(options(&[compressed, &zstd]).0.compression(), Compression::Zstd);
        assert_eq!(options(&[&zstd]).0.compression(), Compression::None);
    }

    #[test]
    fn an_option_of_the_other_direction_is_said_to_be_ignored() {
        let words = ["-Ddynamodb.throughput.read=5", "-Ddynamodb.throughput.write=6", "-Ddynamodb.region=x"];
        let (export, import) = (of(Class::Export, &words).0, of(Class::Import, &words).0);
        let units = |units| Some(RateSpec::Units(Rate::from_units_per_second(units)));
        assert_eq!((export.rate().unwrap(), import.rate().unwrap()), (units(5), units(6)));
        assert_eq!(export.warnings(), ["ignored: dynamodb.throughput.write"]);
        assert_eq!(import.warnings(), ["ignored: dynamodb.throughput.read"]);
        let compressed = ["-Dmapred.output.compress=true"];
        assert_eq!(of(Class::Import, &compressed).0.warnings(), ["ignored: mapred.output.compress"]);
    }

    #[test]
    fn acls_are_spelt_as_s3_does() {
        assert_eq!(canned_acl("PublicRead"), "public-read");
        assert_eq!(canned_acl("bucket-owner-full-control"), "bucket-owner-full-control");
    }
}
