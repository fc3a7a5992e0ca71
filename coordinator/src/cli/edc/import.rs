//! The import of the Java tool: its arguments as a request.

use super::{Ending, Options, Positional, rate};
use crate::{
    cli::args,
    import::{Check, ImportRequest},
};

pub(super) const USAGE: &str = "\
usage: tablehaul org.apache.hadoop.dynamodb.tools.DynamoDBImport [-Dkey=value ...] PATH TABLE [RATIO]
  PATH   s3://bucket/folder or file:///folder
  RATIO  share of the table's write capacity, e.g. 0.25; default 0.5";

pub(super) fn request(options: &Options, positional: &[String]) -> Result<ImportRequest, Ending> {
    let arguments = Positional::read(positional, 1)?;
    let failed = Ending::Failed;
    Ok(ImportRequest {
        folder: args::target(arguments.path).map_err(failed)?,
        table: args::tables(vec![arguments.table.to_owned()]).map_err(failed)?.swap_remove(0),
        rate: rate(options, arguments.get(0))?,
        workers: None,
        max_rejects: 0,
        rejects: None,
        mode: options.mode(),
        state: None,
        restart: false,
        deadline: None,
        check: Check::All,
        cluster: options.cluster().map_err(failed)?,
        aws: options.access().map_err(failed)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Class, *};
    use job::{
        capacity::Rate,
        spec::{RateSpec, WriteMode},
    };

    fn parsed(line: &str) -> Result<ImportRequest, u8> {
        let words = line.split(' ').map(|word| word.replace("''", "")).collect();
        let (options, positional) = Options::split(Class::Import, words).map_err(|_| 255)?;
        request(&options, &positional).map_err(|ending| match ending {
            Ending::WrongArguments(_) => 255,
            Ending::Failed(_) => 1,
        })
    }

    #[test]
    fn a_step_of_the_templates_is_understood() {
        let request = parsed("s3://bucket/x/2026-01-01-00-00-00 Forum 0.25").unwrap();
        assert_eq!(request.rate, RateSpec::MilliPercent(25_000));
        assert_eq!((request.table.as_str(), request.mode), ("Forum", WriteMode::Put));
        assert_eq!(request.folder.to_string(), "s3://bucket/x/2026-01-01-00-00-00");
        assert_eq!((request.max_rejects, request.check), (0, Check::All));
        let rate = |line: &str| parsed(line).map(|request| request.rate);
        assert_eq!(rate("s3://bucket/x Forum"), Ok(RateSpec::MilliPercent(50_000)));
        assert_eq!(rate("s3://bucket/x Forum ''"), Ok(RateSpec::MilliPercent(50_000)));
        assert_eq!(rate("s3://bucket/x Forum 1.5"), Ok(RateSpec::MilliPercent(150_000)));
    }

    #[test]
    fn options_for_writing_are_honoured_and_a_ratio_beats_them() {
        let rate = |line: &str| parsed(line).map(|request| request.rate);
        let units = RateSpec::Units(Rate::from_units_per_second(7));
        assert_eq!(rate("-Ddynamodb.throughput.write=7 s3://bucket/x Forum"), Ok(units));
        assert_eq!(
            rate("-Ddynamodb.throughput.write=7 s3://bucket/x Forum 0.1"),
            Ok(RateSpec::MilliPercent(10_000))
        );
        assert_eq!(
            rate("-D dynamodb.throughput.write.percent=0.3 s3://bucket/x Forum"),
            Ok(RateSpec::MilliPercent(30_000))
        );
        assert_eq!(rate("-Ddynamodb.throughput.write.percent=0 s3://bucket/x Forum"), Err(1));
        let request = parsed("-Ddynamodb.max.map.tasks=1 -Ddynamodb.region=eu-west-1 /x Forum").unwrap();
        assert_eq!(
            (request.cluster.most_workers, request.aws.region.as_deref()),
            (Some(1), Some("eu-west-1"))
        );
    }

    #[test]
    fn items_are_removed_only_if_deletion_is_asked_for() {
        let mode = |value: &str| parsed(&format!("-Ddynamodb.deletion.mode={value} /x Forum")).unwrap().mode;
        assert_eq!((mode("true"), mode("TRUE")), (WriteMode::Delete, WriteMode::Delete));
        assert_eq!((mode("false"), mode("")), (WriteMode::Put, WriteMode::Put));
    }

    #[test]
    fn wrong_arguments_end_as_the_java_tool_ends() {
        for (line, code) in [
            ("", 255),
            ("s3://bucket/x", 255),
            ("s3://bucket/x Forum abc", 255),
            ("s3://bucket/x Forum 0.5 8", 255),
            ("s3://bucket/x Forum 0", 1),
            ("s3://bucket/x a/b", 1),
            ("gopher://x Forum", 1),
        ] {
            assert_eq!(parsed(line).err(), Some(code), "{line}");
        }
    }
}
