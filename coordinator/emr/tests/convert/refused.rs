//! What is not understood is refused, with object, field and reason.

use super::{definition, step_alone, with_bootstrap_action};
use emr::convert::{Options, Refusal, convert};

const STEP: &str = "s3://dynamodb-dpl-#{myDDBRegion}/emr-ddb-storage-handler/4.11.0/emr-dynamodb-tools-4.11.0-SNAPSHOT-jar-with-dependencies.jar,org.apache.hadoop.dynamodb.tools.DynamoDBExport,#{output.directoryPath},#{input.tableName},#{input.readThroughputPercent}";

/// AWS's export with one text replaced by another.
fn changed(old: &str, new: &str) -> String {
    let text = definition("export-2");
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

fn refusal(text: &str, options: &Options) -> String {
    match convert(text, options) {
        Err(refusal) => refusal.to_string(),
        Ok(converted) => panic!("converted: {:.2000}", converted.summary()),
    }
}

#[test]
fn steps_that_are_not_understood_are_named() {
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let tool = "not DynamoDBExport or DynamoDBImport of org.apache.hadoop.dynamodb.tools";
    for (step, why) in [
        (
            "\"s3://elasticmapreduce/libs/script-runner/script-runner.jar,s3://elasticmapreduce/libs/hive/hive-script,--run-hive-script\"".to_owned(),
            "field step: it runs a script of Hive, whose files have another format: take the step \
             from emr-bootstrap/pipelines instead".to_owned(),
        ),
        ("\"command-runner.jar,s3-dist-cp,--src,s3://a\"".to_owned(), format!("field step: it runs \
         \"command-runner.jar s3-dist-cp\", {tool}")),
        (
            "\"s3://b/x.jar,org.apache.hive.dynamodb.tools.DynamoDBExport,s3://b,Forum\"".to_owned(),
            format!("field step: it runs \"s3://b/x.jar org.apache.hive.dynamodb.tools.DynamoDBExport\", {tool}"),
        ),
        (format!("\"s3://b/x.sh,{class},s3://b,Forum\""), format!("field step: it runs \"s3://b/x.sh \
         {class}\", {tool}")),
        ("\"\"".to_owned(), format!("field step: it runs \"\", {tool}")),
        (
            format!("[\"{STEP}\", \"command-runner.jar,hadoop,fs\"]"),
            format!("field step[2]: it runs \"command-runner.jar hadoop\", {tool}"),
        ),
        ("[]".to_owned(), "field step: it is missing".to_owned()),
        ("{\"ref\": \"Default\"}".to_owned(), "field step: it is not a text".to_owned()),
        ("\"#{myStep}\"".to_owned(), "field step: the whole step is \"#{myStep}\": put the text in its \
         place".to_owned()),
        (
            format!("\"#{{myJar}},{class},s3://b,Forum\""),
            "field step: \"#{myJar}\": the definition has no value for this expression; put the text in \
             its place".to_owned(),
        ),
        (
            format!("\"#{{format(@x, 'y')}}.jar,{class},s3://b,Forum\""),
            "field step: \"#{format(@x, 'y')}.jar\": an expression with a comma, which may cut the text \
             in two".to_owned(),
        ),
        (
            format!("\"s3://b/x.jar\\u002c{class},s3://b,Forum\""),
            "field step: it has commas or backslashes written as \\u…: write them plainly".to_owned(),
        ),
        (
            format!("\"s3://b/x.jar,{class},-Da=b,s3://b\""),
            "field step: arguments after the class and its options: 1; the Java tool takes PATH TABLE \
             [RATIO] [SEGMENTS]".to_owned(),
        ),
        (
            format!("\"s3://b/x.jar,{},-D,a=b,s3://b,Forum,1,2\"", class.replace("Export", "Import")),
            "field step: arguments after the class and its options: 4; the Java tool takes PATH TABLE \
             [RATIO]".to_owned(),
        ),
    ] {
        for options in [with_bootstrap_action(), step_alone()] {
            let text = changed(&format!("\"{STEP}\""), &step);
            assert_eq!(refusal(&text, &options), format!("object \"TableBackupActivity\", {why}"));
        }
    }
}

#[test]
fn clusters_that_are_not_understood_are_named() {
    let (action, alone) = (with_bootstrap_action(), step_alone());
    let old = "has no command-runner.jar: use emr-4.1.0 or later, or change the step alone";
    let release = "\"releaseLabel\": \"emr-5.23.0\"";
    for (from, to, options, why) in [
        (release, "\"releaseLabel\": \"emr-4.0.0\"", &action, format!("object \"EmrClusterForBackup\", \
         field releaseLabel: \"emr-4.0.0\" {old}")),
        (release, "\"amiVersion\": \"3.9.0\"", &action, format!("object \"EmrClusterForBackup\", field \
         releaseLabel: \"AMI version 3.9.0\" {old}")),
        (release, "\"releaseLabel\": \"latest\"", &action, format!("object \"EmrClusterForBackup\", \
         field releaseLabel: \"latest\" {old}")),
        (release, "\"bootstrapAction\": 7, \"releaseLabel\": \"emr-5.36.2\"", &action, "object \
         \"EmrClusterForBackup\", field bootstrapAction: it is not a text".to_owned()),
        ("{\"ref\": \"EmrClusterForBackup\"}", "{\"ref\": \"Nowhere\"}", &alone, "object \
         \"TableBackupActivity\", field runsOn: there is no object \"Nowhere\"".to_owned()),
        ("{\"ref\": \"EmrClusterForBackup\"}", "{\"ref\": \"Default\"}", &alone, "object \
         \"TableBackupActivity\", field runsOn: object \"Default\" is not of type EmrCluster".to_owned()),
        (
            "\"runsOn\": {\"ref\": \"EmrClusterForBackup\"}",
            "\"runsOn\": \"EmrClusterForBackup\"",
            &alone,
            "object \"TableBackupActivity\", field runsOn: it does not name an object, as {\"ref\": \
             \"ID\"} does"
                .to_owned(),
        ),
        ("\"runsOn\": {\"ref\": \"EmrClusterForBackup\"}", "\"workerGroup\": \
         \"mine\"", &action, "object \"TableBackupActivity\", field runsOn: it is missing, so there is no EmrCluster that could install tablehaul".to_owned()),
        ("\"region\": \"#{myDDBRegion}\"", "\"region\": \"a,b\"", &alone, "object \
         \"EmrClusterForBackup\", field region: \"a,b\": not a region".to_owned()),
        ("\"resizeClusterBeforeRunning\": \"true\"", "\"resizeClusterBeforeRunning\": \
         1", &alone, "object \"TableBackupActivity\", field resizeClusterBeforeRunning: it is not a text".to_owned()),
    ] {
        assert_eq!(refusal(&changed(from, to), options), why);
    }
    let jar = "s3://dynamodb-dpl-#{myDDBRegion}/emr-ddb-storage-handler/4.11.0/emr-dynamodb-tools-4.11.0-SNAPSHOT-jar-with-dependencies.jar";
    let no_region =
        changed(jar, "s3://mybucket/emr-ddb.jar").replace("\"region\": \"#{myDDBRegion}\"", "\"x\": \"y\"");
    let why = "object \"EmrClusterForBackup\", field region: it is missing, and the path of \
     script-runner.jar needs the region: add the field";
    assert_eq!(refusal(&no_region, &alone), why);
    assert!(convert(&no_region, &action).is_ok(), "command-runner.jar needs no region");
}

#[test]
fn what_is_no_definition_or_has_no_step_is_refused() {
    for (text, why) in [
        ("", "not JSON: it is cut off (line 1, byte 0)"),
        ("{\"objects\": [", "not JSON: it is cut off (line 1, byte 13)"),
        ("[]", "not a definition of Data Pipeline, which has a list \"objects\""),
        ("{\"objects\": {}}", "not a definition of Data Pipeline, which has a list \"objects\""),
        (
            "{\"pipelineObjects\": []}",
            "not a definition of Data Pipeline, which has a list \"objects\": it has the form of the \
             API; get it with `aws datapipeline get-pipeline-definition`",
        ),
        (
            "{\"Resources\": {}}",
            "not a definition of Data Pipeline, which has a list \"objects\": it is a template of \
             CloudFormation; get the definition of the pipeline with `aws datapipeline \
             get-pipeline-definition`",
        ),
        ("{\"objects\": [{\"id\": \"a\"}, 7]}", "entry 2 of \"objects\" is not an object"),
        ("{\"objects\": [{\"name\": \"a\"}]}", "object \"number 1\", field id: it is missing"),
        (
            "{\"objects\": [{\"id\": \"a\"}, {\"id\": \"a\"}]}",
            "object \"a\", field id: another object has the same id",
        ),
        (
            "{\"objects\": [{\"id\": \"a\", \"id\": \"b\"}]}",
            "object \"number 1\", field id: it is there several times",
        ),
        ("{\"objects\": []}", "no object of type EmrActivity, so no step to convert"),
        (
            "{\"objects\": [{\"id\": \"Hadoop\\u001b[2J\", \"type\": \"HadoopActivity\", \"jarUri\": \
             \"s3://b/x.jar\", \"argument\": [\"org.apache.hadoop.dynamodb.tools.DynamoDBExport\", \
             \"s3://b\"]}]}",
            "object \"Hadoop\\u{1b}[2J\", field argument: it runs the Java tool, and only the field \
             step of an EmrActivity can be converted",
        ),
    ] {
        assert_eq!(refusal(text, &step_alone()), why, "{text}");
    }
    let before = changed(
        "\"maximumRetries\"",
        "\"preStepCommand\": \"hadoop jar x.jar org.apache.hadoop.dynamodb.tools.DynamoDBExport a b\", \
         \"maximumRetries\"",
    );
    let why = "object \"TableBackupActivity\", field preStepCommand: it runs the Java tool, and only \
     the field step of an EmrActivity can be converted";
    assert_eq!(refusal(&before, &step_alone()), why);
}

#[test]
fn a_step_that_would_be_too_long_is_refused() {
    let table = format!("{}T", "a".repeat(10_200));
    let text = changed("#{input.tableName}", &table);
    assert_eq!(
        refusal(&text, &step_alone()),
        "object \"TableBackupActivity\", field step: it would be longer than 10240 bytes, which Data \
         Pipeline does not take"
    );
}

#[test]
fn options_that_cannot_stand_in_a_definition_are_refused() {
    for folder in [
        "",
        "mybucket/x",
        "s3://mybucket",
        "s3://mybucket/",
        "s3://b/x",
        "s3://My/x",
        "s3://mybucket/a,b",
        "s3://mybucket/a b",
        "s3://mybucket/#{x}",
    ] {
        assert!(matches!(Options::step_alone(folder), Err(Refusal::Folder(_))), "{folder}");
    }
    let of = |version: &str, sums: &[&str]| {
        let sums: Vec<String> = sums.iter().map(|&sum| sum.to_owned()).collect();
        Options::bootstrap_action("s3://mybucket/tablehaul", version, &sums).unwrap_err()
    };
    let sum = "0".repeat(64);
    assert!(matches!(of("0.1,0", &[&sum]), Refusal::Version(_)));
    assert!(matches!(of("", &[&sum]), Refusal::Version(_)));
    assert!(matches!(of("0.1.0", &[]), Refusal::NoSum));
    assert!(matches!(of("0.1.0", &[&sum, "abc"]), Refusal::Sum(_)));
    assert!(matches!(of("0.1.0", &[&"A".repeat(64)]), Refusal::Sum(_)));
}
