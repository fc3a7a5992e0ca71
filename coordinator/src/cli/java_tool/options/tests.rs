use super::*;
use crate::cli::args;

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
    assert_eq!(options.acl().unwrap().as_deref(), Some("bucket-owner-full-control"));
    assert_eq!(options.get("dynamodb.region"), Some("eu-west-1"));
    let warnings = options.warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(warnings[1], "ignored: my.key, -libjars");
}

#[test]
fn compression_is_asked_for_as_in_hadoop() {
    let compressed = "-Dmapreduce.output.fileoutputformat.compress=true";
    let codec = "-Dmapreduce.output.fileoutputformat.compress.codec=org.apache.hadoop.io.compress.";
    assert_eq!(options(&[compressed]).0.compression(), Some(Compression::Gzip));
    assert_eq!(options(&[compressed]).0.warnings().len(), 1);
    let zstd = format!("{codec}ZStandardCodec");
    assert_eq!(options(&[compressed, &zstd]).0.compression(), Some(Compression::Zstd));
    assert_eq!(options(&[&zstd]).0.compression(), None);
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
fn options_say_what_a_path_without_a_scheme_means() {
    for (words, uri) in [
        (&["-fs", "hdfs://leader"][..], Some("hdfs://leader")),
        (&["-fs", "local"], Some("file:///")),
        (&["-Dfs.default.name=s3://b"], Some("s3://b")),
        (&["-jt", "local"], None),
    ] {
        assert_eq!(options(words).0.default_fs(), uri);
    }
    assert_eq!(options(&["-fs", "local"]).0.warnings(), [""; 0]);
}

#[test]
fn acls_are_spelt_as_s3_does() {
    assert_eq!(canned_acl("PublicRead"), "public-read");
    assert_eq!(canned_acl("bucket-owner-full-control"), "bucket-owner-full-control");
}

#[test]
fn an_endpoint_of_aws_says_the_region_and_beats_one_that_is_named() {
    let region = |words: &[&str]| {
        let options = of(Class::Export, words).0;
        let (_, given) = args::given("export", &BTreeMap::new(), &["Forum", "/x"]).unwrap();
        let mut access = AwsAccess::default();
        options.reach(&given, &mut access).unwrap();
        access.region
    };
    let endpoint = "-Ddynamodb.endpoint=dynamodb.us-west-2.amazonaws.com";
    assert_eq!(region(&[endpoint]).as_deref(), Some("us-west-2"));
    assert_eq!(region(&[endpoint, "-Ddynamodb.region=eu-west-1"]).as_deref(), Some("us-west-2"));
    let other = "-Ddynamodb.endpoint=http://localhost:8000";
    assert_eq!(region(&[other, "-Ddynamodb.regionid=eu-west-1"]).as_deref(), Some("eu-west-1"));
}

#[test]
fn a_ratio_that_would_be_rounded_up_to_the_least_is_refused() {
    assert_eq!(milli_percent(0.00001), Some(1));
    assert_eq!(milli_percent(0.25), Some(25_000));
    for ratio in [0.000_009, 0.000_005, 0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(milli_percent(ratio), None, "{ratio}");
    }
}
