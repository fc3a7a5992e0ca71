//! Why a definition is not converted.

use job::json_error::JsonError;

use crate::quote::quoted;

/// Why a definition is not converted. Its text is one line that follows the name of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The text is not JSON.
    #[error("not JSON: {error} (line {}, byte {})", error.line, error.column)]
    NotJson {
        /// What is wrong, and where.
        error: JsonError,
    },
    /// The JSON is something else.
    #[error("not a definition of Data Pipeline, which has a list \"objects\"{hint}")]
    NotADefinition {
        /// What it is instead, and what to do.
        hint: &'static str,
    },
    /// An entry of the list of objects is not an object.
    #[error("entry {number} of \"objects\" is not an object")]
    NotAnObject {
        /// Counted from 1.
        number: usize,
    },
    /// Nothing in the definition runs the Java tool.
    #[error("no object of type EmrActivity, so no step to convert")]
    NoActivity,
    /// A field says something that the conversion cannot keep.
    #[error("object {}, field {field}: {why}", quoted(.object))]
    Field {
        /// The id of the object.
        object: String,
        /// The name of the field; several values of a field have numbers, as in `step[2]`.
        field: String,
        /// What is not understood.
        why: Why,
    },
    /// The folder cannot stand in a step.
    #[error(
        "{}: give a folder in S3, s3://BUCKET/FOLDER, of letters, digits and /._- (commas would cut the step)",
        quoted(.0)
    )]
    Folder(String),
    /// The version cannot stand in a bootstrap action.
    #[error("version {}: give the version that was uploaded, such as 0.1.0", quoted(.0))]
    Version(String),
    /// A checksum is none.
    #[error("{}: a SHA-256 has 64 digits of 0-9 a-f", quoted(.0))]
    Sum(String),
    /// The bootstrap action has nothing to compare the package with.
    #[error("the bootstrap action needs the SHA-256 of the package")]
    NoSum,
}

/// What is not understood in a field.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The field is needed.
    #[error("it is missing")]
    Missing,
    /// The field may have one value only.
    #[error("it is there several times")]
    Several,
    /// Two objects have the same id.
    #[error("another object has the same id")]
    IdTwice,
    /// Not a text.
    #[error("it is not a text")]
    NotText,
    /// Not the name of an object.
    #[error("it does not name an object, as {{\"ref\": \"ID\"}} does")]
    NotARef,
    /// The step runs tablehaul.
    #[error("it is converted already: it runs tablehaul")]
    AlreadyConverted,
    /// The step runs something else.
    #[error(
        "it runs {}, not DynamoDBExport or DynamoDBImport of org.apache.hadoop.dynamodb.tools",
        quoted(.0)
    )]
    NotTheJavaTool(String),
    /// The step runs a script of Hive, as the templates before 2014 did.
    #[error(
        "it runs a script of Hive, whose files have another format: take the step from emr-bootstrap/pipelines instead"
    )]
    Hive,
    /// The Java tool has another number of arguments.
    #[error("{}", arguments(*.found, *.most))]
    Arguments {
        /// Those after the options.
        found: usize,
        /// PATH TABLE RATIO for an import, and SEGMENTS for an export.
        most: usize,
    },
    /// A parameter without a value, or another expression.
    #[error("{}: the definition has no value for this expression; put the text in its place", quoted(.expression))]
    NoValue {
        /// With `#{` and `}`.
        expression: String,
    },
    /// The step is nothing but an expression.
    #[error("the whole step is {}: put the text in its place", quoted(.0))]
    WholeStep(String),
    /// An expression before the arguments has a comma, which may or may not cut the step.
    #[error("{}: an expression with a comma, which may cut the text in two", quoted(.0))]
    CommaInExpression(String),
    /// Commas or backslashes as `\u002c`.
    #[error("it has commas or backslashes written as \\u…: write them plainly")]
    Escapes,
    /// The Java tool is run in a place that is not converted.
    #[error("it runs the Java tool, and only the field step of an EmrActivity can be converted")]
    JavaToolHere,
    /// The field names an object that does not exist.
    #[error("there is no object {}", quoted(.0))]
    NoObject(String),
    /// The field names an object of another type.
    #[error("object {} is not of type EmrCluster", quoted(.0))]
    NotACluster(String),
    /// The activity runs on instances that Data Pipeline does not launch.
    #[error("it is missing, so there is no EmrCluster that could install tablehaul")]
    NoCluster,
    /// The release has no command-runner.jar.
    #[error("{} has no command-runner.jar: use emr-4.1.0 or later, or change the step alone", quoted(.0))]
    OldRelease(String),
    /// The path of script-runner.jar needs the region.
    #[error("it is missing, and the path of script-runner.jar needs the region: add the field")]
    NoRegion,
    /// The path of script-runner.jar would be cut.
    #[error("{}: not a region", quoted(.0))]
    Region(String),
    /// Data Pipeline takes no longer fields.
    #[error("it would be longer than {} bytes, which Data Pipeline does not take", super::MOST_FIELD_BYTES)]
    TooLong,
}

fn arguments(found: usize, most: usize) -> String {
    let segments = if most > 3 { " [SEGMENTS]" } else { "" };
    format!(
        "arguments after the class and its options: {found}; the Java tool takes PATH TABLE [RATIO]{segments}"
    )
}
