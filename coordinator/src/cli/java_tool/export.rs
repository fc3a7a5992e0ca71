//! The export of the Java tool: turns its arguments into a request.

use job::{spec::NullSpelling, task::TotalSegments};

use super::{JavaToolFailure, Options, Positional, checked_place, rate, refused};
use crate::{
    cli::args::{self, Command, Show},
    commands::export::ExportRequest,
    failure::Failure,
};

pub(super) const EXPORT_USAGE: &str = "\
usage: tablehaul org.apache.hadoop.dynamodb.tools.DynamoDBExport [-Dkey=value ...] PATH TABLE [RATIO] [SEGMENTS]
  PATH      s3://bucket/folder or file:///folder
  RATIO     share of the table's read capacity, e.g. 0.25; default 0.5
  SEGMENTS  number of segments of the parallel scan; default: by size and rate
  Give options of `tablehaul export` as -Dtablehaul.NAME=VALUE or as environment variables";

pub(super) fn request(
    options: &Options,
    positional: &[String],
) -> Result<(ExportRequest, Show), JavaToolFailure> {
    let arguments = Positional::read(positional, 2)?;
    let path = arguments.place();
    let (command, given) =
        args::given("export", options.own()?, &[arguments.table, &path]).map_err(refused)?;
    let Command::Export(own) = command else {
        return Err(JavaToolFailure::Ended(Failure::internal("an export was taken for another command")));
    };
    let show = own.show().map_err(refused)?;
    let mut request = own.request(&given.matches).map_err(refused)?;
    checked_place(&path, options, &request.cluster)?;
    let segments = match arguments.get(1) {
        Some(text) => Some(
            text.parse()
                .map_err(|_| JavaToolFailure::WrongArguments(format!("SEGMENTS {text:?} is not a number")))?,
        ),
        None => options.segments().map_err(refused)?,
    };
    let segments = segments.map(TotalSegments::try_from).transpose();
    let segments = segments.map_err(refused)?;
    let wished = &mut request.options;
    // The files may be read by any version of the Java tool.
    wished.null_default = NullSpelling::Both;
    wished.segments = given.or("segments", wished.segments, segments.map(Some));
    wished.compression = given.or("compress", wished.compression, options.compression());
    request.rate = rate(options, arguments.get(0), &given, request.rate)?;
    options.place_workers(&given, &mut request.cluster, &mut request.options.workers).map_err(refused)?;
    options.reach(&given, &mut request.aws).map_err(refused)?;
    Ok((request, show))
}

#[cfg(test)]
mod tests {
    use super::{super::Class, *};
    use crate::commands::export::IfComplete;
    use job::{
        capacity::Rate,
        spec::{Compression, RateSpec},
    };

    fn parsed(line: &str) -> Result<ExportRequest, u8> {
        let words = line.split(' ').map(|word| word.replace("''", "")).collect();
        let (options, positional) = Options::split(Class::Export, words).map_err(|_| 255)?;
        request(&options, &positional).map(|(request, _)| request).map_err(|ending| match ending {
            JavaToolFailure::WrongArguments(_) => 255,
            JavaToolFailure::Failed(_) | JavaToolFailure::Ended(_) => 1,
        })
    }

    #[test]
    fn a_step_of_the_templates_is_understood() {
        let request = parsed("s3://bucket/x/2026-01-01-00-00-00 Forum 0.25").unwrap();
        assert_eq!(request.rate, RateSpec::MilliPercent(25_000));
        assert_eq!(request.destination.to_string(), "s3://bucket/x/2026-01-01-00-00-00");
        assert_eq!(request.tables, ["Forum"]);
        let rate = |line: &str| parsed(line).map(|request| request.rate);
        assert_eq!(rate("s3://bucket/x Forum ''"), Ok(RateSpec::MilliPercent(50_000)));
        assert_eq!(rate("s3://bucket/x Forum"), Ok(RateSpec::MilliPercent(50_000)));
        assert_eq!(rate("s3://bucket/x Forum 1.5"), Ok(RateSpec::MilliPercent(150_000)));
        let segments = parsed("s3://bucket/x Forum 1 8").unwrap().options.segments;
        assert_eq!(segments.map(TotalSegments::get), Some(8));
    }

    #[test]
    fn slashes_in_a_row_quotes_and_blanks_are_taken() {
        let words = ["-D", "'dynamodb.scan.segments=3'", "\"s3://bucket//x//y/\"", "Forum ", "' 0.25'"];
        let words = words.map(str::to_owned).to_vec();
        let (options, positional) = Options::split(Class::Export, words).unwrap();
        let request = request(&options, &positional).unwrap().0;
        assert_eq!(request.destination.to_string(), "s3://bucket/x/y");
        assert_eq!((request.tables, request.rate), (vec!["Forum".into()], RateSpec::MilliPercent(25_000)));
        assert_eq!(request.options.segments.map(TotalSegments::get), Some(3));
    }

    #[test]
    fn options_of_this_program_are_given_by_name_and_beat_those_of_the_java_tool() {
        let request = parsed(
            "-Dtablehaul.if-complete=skip -Dtablehaul.restart=true -Dtablehaul.consistent=0 \
             -Dtablehaul.deadline=90m -Dtablehaul.compress=zstd -Dmapred.output.compress=true \
             -Dtablehaul.read-units=7 -Dtablehaul.workers=3 -Ddynamodb.max.map.tasks=1 \
             -Dtablehaul.region=eu-west-1 -Ddynamodb.region=us-east-1 -Dtablehaul.segments= \
             s3://bucket/x Forum 0.25",
        )
        .unwrap();
        assert_eq!((request.if_complete, request.restart), (IfComplete::Skip, true));
        assert_eq!((request.options.consistent, request.options.segments), (false, None));
        assert_eq!(request.deadline.map(|deadline| deadline.as_secs()), Some(5400));
        assert_eq!(request.options.compression, Compression::Zstd);
        assert_eq!(request.rate, RateSpec::Units(Rate::from_units_per_second(7)));
        assert_eq!((request.options.workers, request.cluster.most_workers), (Some(3), Some(1)));
        assert_eq!(request.aws.region.as_deref(), Some("eu-west-1"));
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
            ("s3:/bucket/x Forum", 1),
            ("s3:///bucket/x Forum", 1),
            ("-Dtablehaul.if-complete=x s3://bucket/x Forum", 1),
            ("-Dtablehaul.nonsense=1 s3://bucket/x Forum", 1),
            ("-Dtablehaul.workers=0 s3://bucket/x Forum", 1),
            ("-Dtablehaul.mode=put s3://bucket/x Forum", 1),
        ] {
            assert_eq!(parsed(line).err(), Some(code), "{line}");
        }
    }
}
