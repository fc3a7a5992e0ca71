//! Variables and files that AWS's own programs read, too: with odd values they are named, or do no harm.

use super::{Place, forum, says};
use nix::{sys::stat::Mode, unistd::mkfifo};
use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt};
use tests_support::canned::{Answer, Canned, Request};
use tests_support::command::Tablehaul;

fn export(place: &Place) -> Tablehaul {
    place.export("Forum", forum())
}

#[test]
fn settings_of_retries_are_not_looked_at() {
    for (name, value) in [
        ("AWS_MAX_ATTEMPTS", ""),
        ("AWS_MAX_ATTEMPTS", "many"),
        ("AWS_RETRY_MODE", ""),
        ("AWS_RETRY_MODE", "legacy"),
    ] {
        export(&Place::new()).env(name, value).run().succeeded();
    }
}

#[test]
fn a_region_that_is_none_is_named_and_an_empty_one_is_as_none() {
    let place = Place::new();
    for (variable, given) in
        [("eu west", None), ("eu-west-1", Some("us-east-1 ")), ("a/b", Some("us-east-1"))]
    {
        let command = Tablehaul::new(["export", "Forum", &place.folder().to_string_lossy()]);
        let command = given.into_iter().fold(command, |command, given| command.args(["--region", given]));
        says(
            &command.env("AWS_REGION", variable).run(),
            2,
            &["is not a region, such as eu-west-1", "--region"],
        );
    }
    let none = Tablehaul::new(["export", "Forum", &place.folder().to_string_lossy()]);
    let none =
        none.env("AWS_REGION", "").env("AWS_DEFAULT_REGION", "").env("AWS_EC2_METADATA_DISABLED", "true");
    says(&none.run(), 2, &["no AWS region: give --region"]);
    // With an endpoint, no region is needed.
    export(&place).env("AWS_REGION", "").run().succeeded();
}

#[test]
fn shared_files_without_an_end_are_refused_at_once() {
    let place = Place::new();
    fs::create_dir_all(place.outer()).expect("a folder");
    let fifo = place.outer().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"] {
        let refused = export(&place).env(name, &fifo).run();
        says(&refused, 2, &[&fifo.to_string_lossy(), "it is a FIFO, not a regular file"]);
        says(&export(&place).env(name, "/dev/zero").run(), 2, &["it is a device, not a regular file"]);
    }
    export(&place).env("AWS_CONFIG_FILE", "/dev/null").run().succeeded();
}

#[test]
fn an_argument_or_variable_that_is_not_text_is_named() {
    let odd = || OsString::from_vec(b"a\xffb".to_vec());
    let refused = Tablehaul::new([OsString::from("status"), odd()]).run();
    says(&refused, 2, &["an argument is not valid UTF-8: a\u{fffd}b"]);
    let refused = Tablehaul::new(["export", "Forum", "/x"]).env("TABLEHAUL_READ_UNITS", odd()).run();
    says(&refused, 2, &["the value of TABLEHAUL_READ_UNITS is not valid UTF-8: a\u{fffd}b"]);
}

#[test]
fn a_rate_of_any_size_can_be_given() {
    let place = Place::new();
    for rate in ["999999999999999", "18446744073709551"] {
        export(&place).args(["--read-units", rate, "--restart"]).run().succeeded();
        fs::remove_dir_all(place.folder()).expect("the export");
    }
}

/// An S3 whose bucket holds a foreign file, after a page of its listing that is empty.
fn late_listing(request: &Request) -> Answer {
    if !request.path.contains("list-type=2") {
        return Answer::s3_error(404, "NoSuchKey", "only listings");
    }
    let page = if request.path.contains("continuation-token") {
        "<IsTruncated>false</IsTruncated><Contents><Key>x/foreign</Key><Size>1</Size></Contents>"
    } else {
        "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    };
    Answer::new(200, format!("<ListBucketResult>{page}</ListBucketResult>"))
}

#[test]
fn a_folder_is_not_empty_because_the_first_page_of_its_listing_is() {
    let s3 = Canned::start(late_listing);
    let refused = Tablehaul::new(["clean", "s3://bucket/x", "--yes", "--s3-endpoint", &s3.endpoint()]);
    says(&refused.args(["--region", "us-east-1", "--s3-region", "us-east-1"]).run(), 2, &["foreign"]);
}

#[test]
fn a_status_that_cannot_be_removed_does_not_keep_the_journal() {
    let place = Place::new();
    let own = place.folder().join("_tablehaul");
    let export = export(&place).args(["--read-units", "50"]).start();
    super::wait_until("a journal", || own.join("journal").is_dir());
    let _ = fs::remove_file(own.join("status.json"));
    fs::create_dir_all(own.join("status.json/in")).expect("a folder in the place of the status");
    tests_support::command::finish(export).succeeded();
    assert!(!own.join("journal").exists());
}
