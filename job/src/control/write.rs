//! Converts messages to the wire format.

use super::{FromWorker, Sealed, SealedPart, Stats, ToWorker, wire};
use crate::{
    ids::PassNumber,
    spec::{AwsAccess, ExportSettings, FileOptions, FixedOptions, OutputFormat, S3Settings},
    task::{Lease, Position, Step},
};

impl wire::FromWorker {
    /// The message as one of a pass. A coordinator ignores what belongs to an earlier pass.
    pub fn in_pass(pass: PassNumber, message: FromWorker) -> Self {
        Self { pass: pass.0, ..message.into() }
    }
}

/// A message before the first pass.
impl From<FromWorker> for wire::FromWorker {
    fn from(message: FromWorker) -> Self {
        use wire::from_worker::Event;
        let event = match message {
            FromWorker::Hello { version, worker, pid, host, place } => {
                let worker = worker.map_or(0, |worker| worker.0);
                Event::Hello(wire::Hello { version, worker, pid, host, place })
            }
            FromWorker::Need(total) => Event::Need(wire::Need { total_milli_units: total.milli() }),
            FromWorker::Want(total_tasks) => Event::Want(wire::Want { total_tasks }),
            FromWorker::WantFile => Event::WantFile(wire::WantFile {}),
            FromWorker::Sealed(sealed) => Event::Sealed(sealed.into()),
            FromWorker::Heartbeat(stats) => Event::Heartbeat(stats.into()),
            FromWorker::Throttled(count) => Event::Throttled(wire::Throttled { count }),
            FromWorker::Advance(advance) => Event::Advance(advance.into()),
            FromWorker::FileVerified(verified) => Event::FileVerified(verified.into()),
            FromWorker::Failed(message) => Event::Failed(wire::Failed { message }),
            FromWorker::Log(lines) => Event::Log(wire::Log { lines }),
        };
        Self { event: Some(event), pass: 0 }
    }
}

impl From<Sealed> for wire::Sealed {
    fn from(Sealed { part, steps }: Sealed) -> Self {
        Self {
            part: part.map(|SealedPart { file, number, etag, crc32c, bytes, items, line_bytes, last }| {
                wire::Part { file: file.0, number, etag, crc32c, bytes, items, line_bytes, last }
            }),
            steps: steps.into_iter().map(wire::Step::from).collect(),
        }
    }
}

impl From<Step> for wire::Step {
    fn from(step: Step) -> Self {
        use wire::step::Position as Wire;
        Self {
            segment: step.segment.0,
            attempt: step.attempt.0,
            from_page: step.from_page,
            to_page: step.to_page,
            items: step.items,
            position: match step.position {
                Position::Start => None,
                Position::After(key) => Some(Wire::After(key)),
                Position::Done => Some(Wire::Done(true)),
            },
        }
    }
}

impl From<Stats> for wire::Heartbeat {
    fn from(stats: Stats) -> Self {
        let Stats {
            consumed,
            indexes,
            requests,
            items,
            removed,
            bytes,
            throttles,
            retries,
            streams,
            last_error,
            waits_for_units,
            store_wait_ms,
        } = stats;
        Self {
            consumed_milli_units: consumed.milli(),
            requests,
            items,
            removed,
            bytes,
            throttles,
            retries,
            streams,
            last_error,
            waits_for_units,
            store_wait_ms,
            indexes: indexes
                .into_iter()
                .map(|(name, units)| wire::IndexUnits { name, milli_units: units.milli() })
                .collect(),
        }
    }
}

impl From<ToWorker> for wire::ToWorker {
    fn from(message: ToWorker) -> Self {
        use wire::to_worker::Event;
        let event = match message {
            ToWorker::Export(settings) => Event::Export((*settings).into()),
            ToWorker::Grant { units, page } => {
                Event::Grant(wire::Grant { milli_units: units.milli(), page_milli_units: page.milli() })
            }
            ToWorker::Lease(lease) => Event::Lease(lease.into()),
            ToWorker::Import(settings) => Event::Import((*settings).into()),
            ToWorker::Split(lease) => Event::Split((*lease).into()),
            ToWorker::Verify(settings) => Event::Verify((*settings).into()),
            ToWorker::VerifyFile(lease) => Event::FileLease((*lease).into()),
            ToWorker::File { file, name, upload_id } => {
                let (name, upload_id) = (name.into(), upload_id.into());
                Event::File(wire::File { file: file.0, name, upload_id })
            }
            ToWorker::Drain => Event::Drain(wire::Drain {}),
            ToWorker::Finish => Event::Finish(wire::Finish {}),
            ToWorker::Pass(pass) => Event::Pass(wire::Pass { number: pass.0 }),
            ToWorker::SendLog => Event::SendLog(wire::SendLog {}),
            ToWorker::Keys(keys) => Event::Keys(wire::Keys {
                access_key_id: keys.access_key_id,
                secret_access_key: keys.secret_access_key,
                session_token: keys.session_token,
                expires_at: keys.expires_at,
            }),
        };
        Self { event: Some(event) }
    }
}

impl From<Lease> for wire::Lease {
    fn from(Lease { segment, attempt, mark }: Lease) -> Self {
        Self {
            segment: segment.0,
            attempt: attempt.0,
            pages: mark.pages,
            items: mark.items,
            after: match mark.position {
                Position::After(key) => key,
                Position::Start | Position::Done => String::new(),
            },
        }
    }
}

/// The name of a format; none for the default.
pub(super) fn name_of(format: OutputFormat) -> String {
    if format.is_default() { String::new() } else { format.name().to_owned() }
}

impl From<ExportSettings> for wire::ExportSettings {
    fn from(settings: ExportSettings) -> Self {
        let FixedOptions { files: FileOptions { format, compression, null }, consistent, segments } =
            settings.options;
        Self {
            table: settings.table,
            consistent,
            total_segments: segments.get(),
            target: settings.target.to_string(),
            format: name_of(format),
            compression: compression.name().to_owned(),
            null: null.name().to_owned(),
            upload_part_bytes: settings.upload_part_bytes,
            part_file_bytes: settings.part_file_bytes,
            mean_item_bytes: settings.mean_item_bytes,
            aws: Some(settings.aws.into()),
        }
    }
}

impl From<AwsAccess> for wire::Aws {
    fn from(access: AwsAccess) -> Self {
        let AwsAccess {
            region,
            s3_region,
            dynamodb_endpoint,
            s3_endpoint,
            profile,
            assume_role,
            external_id,
            account,
            s3,
            lent,
        } = access;
        let s3 = Some(s3.into());
        Self {
            region,
            s3_region,
            dynamodb_endpoint,
            s3_endpoint,
            profile,
            assume_role,
            external_id,
            account,
            s3,
            lent,
        }
    }
}

impl From<S3Settings> for wire::S3 {
    fn from(settings: S3Settings) -> Self {
        let S3Settings { bucket_owner, requester_pays, acl, sse, sse_kms_key_id, storage_class, tags } =
            settings;
        let tag = |(key, value): (&str, &str)| wire::Tag { key: key.to_owned(), value: value.to_owned() };
        Self {
            bucket_owner,
            requester_pays,
            acl,
            sse: sse.map(|sse| sse.name().to_owned()),
            sse_kms_key_id,
            storage_class,
            tags: tags.iter().map(tag).collect(),
        }
    }
}
