//! The import of the Java tool: turns its arguments into a request.

use super::{JavaToolFailure, Options, Positional, checked_place, rate, refused};
use crate::{
    cli::args::{self, Command, Show},
    commands::import::ImportRequest,
    failure::Failure,
};

pub(super) const IMPORT_USAGE: &str = "\
usage: tablehaul org.apache.hadoop.dynamodb.tools.DynamoDBImport [-Dkey=value ...] PATH TABLE [RATIO]
  PATH   s3://bucket/folder or file:///folder
  RATIO  share of the table's write capacity, e.g. 0.25; default 0.5
  Give options of `tablehaul import` as -Dtablehaul.NAME=VALUE or as environment variables";

pub(super) fn request(
    options: &Options,
    positional: &[String],
) -> Result<(ImportRequest, Show), JavaToolFailure> {
    let arguments = Positional::read(positional, 1)?;
    let path = arguments.place();
    let (command, given) =
        args::given("import", options.own()?, &[&path, arguments.table]).map_err(refused)?;
    let Command::Import(own) = command else {
        return Err(JavaToolFailure::Ended(Failure::internal("an import was taken for another command")));
    };
    let show = own.show().map_err(refused)?;
    let mut request = own.request(&given.matches).map_err(refused)?;
    checked_place(&path, options, &request.cluster)?;
    request.mode = options.mode(&given, request.mode).map_err(refused)?;
    request.rate = rate(options, arguments.get(0), &given, request.rate)?;
    options.place_workers(&given, &mut request.cluster, &mut request.workers).map_err(refused)?;
    options.reach(&given, &mut request.aws).map_err(refused)?;
    Ok((request, show))
}

#[cfg(test)]
mod tests {
    use super::{super::Class, *};
    use crate::commands::import::Check;
    use job::{
        capacity::Rate,
        spec::{RateSpec, WriteMode},
    };

    fn parsed(line: &str) -> Result<ImportRequest, u8> {
        let words = line.split(' ').map(|word| word.replace("''", "")).collect();
        let (options, positional) = Options::split(Class::Import, words).map_err(|_| 255)?;
        request(&options, &positional).map(|(request, _)| request).map_err(|ending| match ending {
            JavaToolFailure::WrongArguments(_) => 255,
            JavaToolFailure::Failed(_) | JavaToolFailure::Ended(_) => 1,
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
        let own = |words: &str| parsed(&format!("{words} /x Forum")).map(|request| request.mode);
        assert_eq!(own("-Dtablehaul.mode=delete"), Ok(WriteMode::Delete));
        assert_eq!(own("-Dtablehaul.mode=put-if-absent"), Ok(WriteMode::PutIfAbsent));
        assert_eq!(own("-Dtablehaul.mode=delete -Ddynamodb.deletion.mode=true"), Ok(WriteMode::Delete));
        for contradiction in ["put -Ddynamodb.deletion.mode=true", "delete -Ddynamodb.deletion.mode=false"] {
            assert_eq!(own(&format!("-Dtablehaul.mode={contradiction}")), Err(1));
        }
    }

    #[test]
    fn options_of_this_program_are_given_by_name() {
        let line = "-Dtablehaul.max-rejects=all -Dtablehaul.rejects=/r/x.jsonl -Dtablehaul.check=first \
                    -Dtablehaul.state=s3://bucket//state/ -Dtablehaul.restart=true -Dtablehaul.deadline=1h \
                    s3://bucket//x Forum";
        let request = parsed(line).unwrap();
        assert_eq!((request.max_rejects, request.check), (u64::MAX, Check::First));
        assert_eq!(request.rejects.unwrap().to_string(), "file:///r/x.jsonl");
        assert_eq!(request.state.unwrap().to_string(), "s3://bucket/state");
        assert_eq!((request.restart, request.deadline.map(|time| time.as_secs())), (true, Some(3600)));
        assert_eq!(request.folder.to_string(), "s3://bucket/x");
        for wrong in ["max-rejects=-1", "restart=true", "if-complete=skip", "check=some"] {
            assert_eq!(parsed(&format!("-Dtablehaul.{wrong} /x Forum")).err(), Some(1), "{wrong}");
        }
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
