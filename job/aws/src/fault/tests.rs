use aws_sdk_dynamodb::operation::scan::ScanError;
use aws_smithy_types::error::ErrorMetadata;

use super::*;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// The fault for a reply that the SDK can't read.
fn unread(status: u16, body: &'static str) -> Fault {
    of("dynamodb:Scan", "table T", ScanError::unhandled("unread"), reply(status, body))
}

fn reply(status: u16, body: &'static str) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), body.into())
}

fn of(action: &str, resource: &str, error: ScanError, reply: HttpResponse) -> Fault {
    Fault::of(action, resource, "https://there", SdkError::service_error(error, reply))
}

/// An error of S3 with this code and message.
fn s3(status: u16, code: &str, message: &str, body: &'static str) -> Fault {
    let metadata = ErrorMetadata::builder().code(code).message(message).build();
    of("s3:GetObject", "s3://b/k", ScanError::generic(metadata), reply(status, body))
}

#[test]
fn a_reply_that_was_torn_is_asked_for_again() {
    for (status, body) in [(200, ""), (200, r#"{"Items":[{"#), (400, r#"{"__type":"Thrott"#)] {
        let fault = unread(status, body);
        assert_eq!(fault.kind, FaultKind::Transient, "{status} {body}");
        let message = format!(
            "dynamodb:Scan on table T: https://there sent a damaged reply (HTTP status {status}): {CHECK_THE_WAY}"
        );
        assert_eq!(fault.message, message);
    }
}

#[test]
fn a_read_that_a_partition_throttles_says_nothing_about_the_table() {
    use aws_sdk_dynamodb::types::{
        ThrottlingReason,
        error::{ProvisionedThroughputExceededException, ThrottlingException},
    };
    const RANGE: &str = "TableReadKeyRangeThroughputExceeded";
    let reason = |reason: &&str| ThrottlingReason::builder().reason(*reason).build();
    let code = |code| ErrorMetadata::builder().code(code).build();
    let exceeded = |reasons: &[&str]| {
        let error = ProvisionedThroughputExceededException::builder()
            .set_throttling_reasons(Some(reasons.iter().map(reason).collect()))
            .meta(code("ProvisionedThroughputExceededException"))
            .build();
        let error = ScanError::ProvisionedThroughputExceededException(error);
        of("dynamodb:Scan", "table T", error, reply(400, "{}"))
    };
    assert!(exceeded(&[RANGE]).is_of_partition());
    for reasons in [
        &[][..],
        &["TableReadProvisionedThroughputExceeded"],
        &[RANGE, "TableReadProvisionedThroughputExceeded"],
        &["TableWriteKeyRangeThroughputExceeded"],
    ] {
        let fault = exceeded(reasons);
        assert_eq!((fault.kind, fault.is_of_partition()), (FaultKind::Throttled, false), "{reasons:?}");
    }
    let throttled = ThrottlingException::builder()
        .throttling_reasons(reason(&RANGE))
        .meta(code("ThrottlingException"))
        .build();
    let throttled = ScanError::ThrottlingException(throttled);
    assert!(of("dynamodb:Scan", "table T", throttled, reply(400, "{}")).is_of_partition());
}

#[test]
fn a_status_without_a_body_is_all_that_is_said() {
    assert_eq!(unread(400, "").kind, FaultKind::Refused);
    assert_eq!(unread(403, "").kind, FaultKind::Denied);
    assert_eq!(unread(404, "").kind, FaultKind::NotFound);
    assert_eq!(
        unread(418, "").message,
        "dynamodb:Scan on table T: https://there answers with HTTP status 418"
    );
    for status in [500, 502, 101, 999] {
        let said = format!("https://there answers with HTTP status {status}: {CHECK_THE_WAY}");
        assert_eq!(unread(status, "").message, format!("dynamodb:Scan on table T: {said}"));
    }
}

#[test]
fn a_web_page_is_no_word_of_aws() {
    for (status, body) in [(404, "<html>"), (403, "  <!DOCTYPE html><p>Blocked"), (200, "<HTML>")] {
        let fault = unread(status, body);
        assert_eq!(fault.kind, FaultKind::Unreachable, "{body}");
        assert!(fault.message.contains("https://there answers with a web page"), "{}", fault.message);
    }
    assert_eq!(unread(502, "<html>").kind, FaultKind::Transient, "a gateway that lost its server");
}

#[test]
fn a_redirect_of_dynamodb_is_no_matter_of_the_buckets_region() {
    for status in [301, 307] {
        let fault = unread(status, "");
        assert_eq!(fault.kind, FaultKind::Refused);
        assert!(!fault.message.contains("region") && fault.message.contains("redirect"), "{}", fault.message);
    }
}

#[test]
fn the_region_that_s3_names_is_told() {
    let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
    let fault = s3(400, "AuthorizationHeaderMalformed", "wrong", body);
    assert_eq!(fault.kind, FaultKind::WrongRegion);
    assert!(fault.message.starts_with("s3://b/k is in region eu-west-3: give --s3-region eu-west-3"));
    let mut redirect = reply(301, "");
    redirect.headers_mut().insert("x-amz-bucket-region", "ap-south-1");
    let fault = of("s3:ListBucket", "s3://b/k", ScanError::unhandled("unread"), redirect);
    assert!(fault.message.contains("is in region ap-south-1"), "{}", fault.message);
}

#[test]
fn an_archived_object_is_told_with_its_class_and_the_way_out() {
    let body = "<Error><Code>InvalidObjectState</Code><StorageClass>DEEP_ARCHIVE</StorageClass></Error>";
    let fault =
        s3(403, "InvalidObjectState", "The operation is not valid for the object's storage class", body);
    assert_eq!((fault.kind, fault.is_retryable()), (FaultKind::Archived, false));
    for part in ["s3://b/k is archived as DEEP_ARCHIVE", "aws s3api restore-object", "InvalidObjectState"] {
        assert!(fault.message.contains(part), "{}", fault.message);
    }
    let body = "<StorageClass>INTELLIGENT_TIERING</StorageClass><AccessTier>ARCHIVE_ACCESS</AccessTier>";
    assert!(s3(403, "InvalidObjectState", "x", body).message.contains("archived as ARCHIVE_ACCESS"));
}

#[test]
fn keys_and_clocks_are_told_with_what_to_do() {
    let fault = s3(400, "KMS.DisabledException", "arn:aws:kms:x:key/1 is disabled.", "");
    assert!(
        fault.message.starts_with("the KMS key of s3://b/k can't be used: enable it"),
        "{}",
        fault.message
    );
    assert!(!fault.is_retryable());
    let denied = "User: a is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:b because c";
    let fault = s3(403, "AccessDenied", denied, "");
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(fault.message.starts_with("no permission for kms:Decrypt on the KMS key of s3://b/k"));
    let fault = s3(403, "RequestTimeTooSkewed", "The difference is too large.", "");
    assert!(fault.message.starts_with("the clock of this machine differs"), "{}", fault.message);
    assert!(fault.is_retryable(), "the SDK signs the next request by the server's clock");
}

#[test]
fn what_a_server_says_can_not_fill_the_terminal_or_steer_it() {
    let message = format!("\u{1b}[2J{}", "x".repeat(10_000));
    let fault = s3(400, "Odd\u{7}", &message, "");
    assert!(fault.message.len() < 600 && !fault.message.contains(char::is_control), "{}", fault.message);
}

/// A source of credentials that fails.
#[derive(Debug)]
struct Failing;

impl ProvideCredentials for Failing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::provider_error("the file is gone")))
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_loaded_are_known_by_the_type_of_the_error() {
    let config = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Failing))
        .endpoint_url("http://127.0.0.1:9")
        .build();
    let error = aws_sdk_dynamodb::Client::new(&config).list_tables().send().await.unwrap_err();
    let fault = Fault::of("dynamodb:ListTables", "all tables", "http://127.0.0.1:9", error);
    let said = "dynamodb:ListTables on all tables: no AWS credentials: the file is gone";
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::NoCredentials, said));
}
