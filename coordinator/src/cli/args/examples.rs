//! The examples under the help of each command.

use std::fmt::Write as _;

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 failed · 2 refused before anything was written ·
3 stopped by a signal or deadline · 4 internal error.";

/// Examples of a command, the exit codes, and what else its users ask.
fn with_exit_codes(examples: &[&str], notes: &[&str]) -> String {
    let mut text = String::from("Examples:\n");
    for line in examples {
        let _ = writeln!(text, "  tablehaul {line}");
    }
    let _ = write!(text, "\n{EXIT_CODES}");
    for note in notes {
        let _ = write!(text, "\n{note}");
    }
    text
}

/// Below the list of commands.
pub(super) fn all() -> String {
    let examples = [
        "export Forum s3://mybucket/exports             # a quarter of the table's read capacity",
        "status s3://mybucket/exports                   # complete, running, or how much is done",
        "verify s3://mybucket/exports                   # reads and checks every file again",
        "import s3://mybucket/exports Forum             # a quarter of its write capacity",
        #[cfg(feature = "emr")]
        "emr export Forum s3://mybucket/exports         # launches an EMR cluster for the export",
        "export --help                                  # all options of a command",
        "org.apache.hadoop.dynamodb.tools.DynamoDBExport s3://mybucket/exports Forum 0.25",
    ];
    with_exit_codes(
        &examples,
        &[
            "The last example takes the place of the Java tool in a Data Pipeline step. In this form:",
            "0 done · 1 failed, refused or stopped · 255 wrong arguments.",
        ],
    )
}

pub(super) fn export() -> String {
    let examples = [
        "export Forum s3://mybucket/exports             # a quarter of the table's read capacity",
        "export Forum s3://mybucket/exports --read-units 500 --compress zstd",
        "export Forum Thread Reply s3://mybucket/all    # to all/Forum, all/Thread, all/Reply",
        "export Forum s3://mybucket                     # to s3://mybucket/<region>/Forum",
        "export Forum /backups/forum --dry-run          # only the plan: rate, time, price",
        "export Forum s3://mybucket/exports --cluster yarn --workers 20",
    ];
    with_exit_codes(
        &examples,
        &["If an export failed or was stopped, run the same command again: it resumes."],
    )
}

pub(super) fn import() -> String {
    let examples = [
        "import s3://mybucket/exports Forum             # a quarter of the table's write capacity",
        "import s3://mybucket/exports Forum --write-units 500 --dry-run",
        "import s3://mybucket/exports Forum --state s3://mybucket/state",
        "import s3://mybucket/exports Forum --cluster yarn --workers 20",
    ];
    with_exit_codes(
        &examples,
        &[
            "With --state, the same command resumes an import that failed or was stopped.",
            "Without, it starts over, and writes the same items again.",
        ],
    )
}

pub(super) fn verify() -> String {
    let examples = [
        "verify s3://mybucket/exports",
        "verify s3://mybucket/exports --json            # the result for programs",
        "verify s3://mybucket/AWSDynamoDB               # an export by DynamoDB itself",
        "verify s3://mybucket/exports --cluster yarn    # with the workers of a cluster",
        "verify s3://mybucket/exports --state s3://mybucket/state     # can resume",
    ];
    with_exit_codes(&examples, &["Exit code 1 also means that there are defects."])
}

pub(super) fn status() -> String {
    let examples = [
        "status s3://mybucket/exports",
        "status s3://mybucket/exports --json            # for programs",
        "status s3://mybucket/exports --watch           # until the job ends, from any machine",
    ];
    with_exit_codes(&examples, &[])
}

pub(super) fn clean() -> String {
    let examples = [
        "clean s3://mybucket/exports                    # asks first",
        "clean s3://mybucket/exports --yes              # does not ask",
        "clean s3://mybucket/state                      # the folder of an import's --state",
    ];
    with_exit_codes(&examples, &[])
}
