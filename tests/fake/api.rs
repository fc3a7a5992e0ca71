//! The part of the `DynamoDB` protocol that the fake speaks: a Scan request, its validation, and errors. Writes
//! are in `batch`.

use serde::Deserialize;
use serde_json::Value;

/// An error reply: status, type and message as the real service words them.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) message: String,
}

impl ApiError {
    fn dynamo(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self { status, kind: format!("com.amazonaws.dynamodb.v20120810#{kind}"), message: message.into() }
    }

    fn coral(kind: &str, message: impl Into<String>) -> Self {
        Self { status: 400, kind: format!("com.amazon.coral.service#{kind}"), message: message.into() }
    }

    pub(crate) fn no_such_table(table: &str) -> Self {
        let message = format!("Requested resource not found: Table: {table} not found");
        Self::dynamo(400, "ResourceNotFoundException", message)
    }

    pub(crate) fn throttled(kind: &str) -> Self {
        let message = "The level of configured provisioned throughput for the table was exceeded. \
                       Consider increasing your provisioning level with the UpdateTable API.";
        Self::dynamo(400, kind, message)
    }

    pub(crate) fn condition_failed() -> Self {
        Self::dynamo(400, "ConditionalCheckFailedException", "The conditional request failed")
    }

    pub(crate) fn internal() -> Self {
        Self::dynamo(
            500,
            "InternalServerError",
            "The request processing has failed because of an unknown error.",
        )
    }

    pub(crate) fn denied(action: &str, resource: &str) -> Self {
        let message = format!(
            "User: arn:aws:iam::123456789012:user/x is not authorized to perform: dynamodb:{action} \
             on resource: {resource} because no identity-based policy allows the dynamodb:{action} action"
        );
        Self::coral("AccessDeniedException", message)
    }

    pub(crate) fn expired_token() -> Self {
        Self::coral("ExpiredTokenException", "The security token included in the request is expired")
    }

    pub(crate) fn unrecognized_client() -> Self {
        Self::coral("UnrecognizedClientException", "The security token included in the request is invalid.")
    }

    pub(crate) fn no_token() -> Self {
        Self::coral("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    }

    pub(crate) fn no_policy() -> Self {
        let message = "Resource-based policy not found for the provided ResourceArn";
        Self::dynamo(400, "PolicyNotFoundException", message)
    }

    pub(crate) fn unknown_action() -> Self {
        Self::coral("UnknownOperationException", "")
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "com.amazon.coral.validate#ValidationException".to_owned(),
            message: message.into(),
        }
    }

    pub(crate) fn too_many_writes() -> Self {
        Self::invalid("Too many items requested for the BatchWriteItem call")
    }

    pub(crate) fn unreadable(error: &impl ToString) -> Self {
        Self::coral("SerializationException", error.to_string())
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::json!({"__type": self.kind, "message": self.message}).to_string()
    }
}

/// A Scan request. Unknown fields that would change its meaning are refused, not ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawScan {
    table_name: String,
    segment: Option<u64>,
    total_segments: Option<u64>,
    limit: Option<u64>,
    #[serde(default)]
    consistent_read: bool,
    return_consumed_capacity: Option<String>,
    exclusive_start_key: Option<Value>,
}

/// A valid Scan.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) table: String,
    pub(crate) segment: u64,
    pub(crate) total_segments: u64,
    pub(crate) limit: u64,
    pub(crate) consistent: bool,
    pub(crate) report: Report,
    /// The key after which the page starts.
    pub(crate) start_after: Option<(String, String)>,
}

/// How much a reply says about consumed capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    None,
    Total,
    Indexes,
}

impl Report {
    /// What a `ReturnConsumedCapacity` asks for.
    pub(crate) fn parse(asked: Option<&str>) -> Result<Self, ApiError> {
        match asked {
            None | Some("NONE") => Ok(Self::None),
            Some("TOTAL") => Ok(Self::Total),
            Some("INDEXES") => Ok(Self::Indexes),
            Some(other) => Err(ApiError::invalid(format!("no such ReturnConsumedCapacity: {other}"))),
        }
    }
}

impl Scan {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let raw: RawScan = serde_json::from_slice(body).map_err(|error| ApiError::unreadable(&error))?;
        let (segment, total_segments) = match (raw.segment, raw.total_segments) {
            (None, None) => (0, 1),
            (Some(segment), Some(total)) => (segment, total),
            _ => return Err(ApiError::invalid("Segment and TotalSegments must be given together")),
        };
        if !(1..=1_000_000).contains(&total_segments) {
            return Err(ApiError::invalid(format!(
                "1 validation error detected: Value '{total_segments}' at 'totalSegments' failed to satisfy constraint: \
                 Member must have value between 1 and 1000000"
            )));
        }
        if segment >= total_segments {
            return Err(ApiError::invalid(format!(
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
                 Segment: {segment} is not less than TotalSegments: {total_segments}"
            )));
        }
        if raw.limit == Some(0) {
            return Err(ApiError::invalid(
                "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: \
                 Member must have value greater than or equal to 1",
            ));
        }
        Ok(Self {
            table: table_name(&raw.table_name),
            segment,
            total_segments,
            limit: raw.limit.unwrap_or(u64::MAX),
            consistent: raw.consistent_read,
            report: Report::parse(raw.return_consumed_capacity.as_deref())?,
            start_after: raw.exclusive_start_key.as_ref().map(key_of).transpose()?,
        })
    }

    pub(crate) fn foreign_start_key(&self) -> ApiError {
        ApiError::invalid(format!(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey \
             with correct Segment. TotalSegments: {} Segment: {}",
            self.total_segments, self.segment
        ))
    }
}

/// The name in a `TableName`, which may be an ARN.
pub(crate) fn table_name(name_or_arn: &str) -> String {
    name_or_arn.rsplit_once('/').map_or(name_or_arn, |(_, name)| name).to_owned()
}

fn key_of(key: &Value) -> Result<(String, String), ApiError> {
    let part = |name: &str, kind: &str| key.get(name)?.get(kind)?.as_str().map(str::to_owned);
    match (part("pk", "S"), part("sk", "N")) {
        (Some(pk), Some(sk)) if key.as_object().is_some_and(|parts| parts.len() == 2) => Ok((pk, sk)),
        _ => Err(ApiError::invalid(
            "The provided starting key is invalid: The provided key element does not match the schema",
        )),
    }
}
