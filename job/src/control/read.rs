//! Converts messages from the wire format.

use super::{FromWorker, LentKeys, Malformed, Sealed, SealedPart, Stats, ToWorker, wire};
use crate::{
    capacity::Units,
    ids::{Attempt, FileId, PassNumber, Segment, WorkerId},
    spec::{AwsAccess, ExportSettings, FileOptions, FixedOptions, OutputFormat, S3Settings, Tags},
    task::{Lease, Mark, Position, Step, TotalSegments},
};

impl TryFrom<wire::FromWorker> for FromWorker {
    type Error = Malformed;

    fn try_from(message: wire::FromWorker) -> Result<Self, Malformed> {
        use wire::from_worker::Event;
        Ok(match message.event.ok_or(Malformed("empty message of a worker"))? {
            Event::Hello(hello) => Self::Hello {
                version: hello.version,
                worker: (hello.worker != 0).then_some(WorkerId(hello.worker)),
                pid: hello.pid,
                host: hello.host,
                place: hello.place,
            },
            Event::Need(need) => Self::Need(Units::from_milli(need.total_milli_units)),
            Event::Want(want) => Self::Want(want.total_tasks),
            Event::WantFile(_) => Self::WantFile,
            Event::Sealed(sealed) => Self::Sealed(sealed.try_into()?),
            Event::Heartbeat(beat) => Self::Heartbeat(beat.into()),
            Event::Throttled(throttled) => Self::Throttled(throttled.count),
            Event::Failed(failed) => Self::Failed(failed.message),
            Event::Advance(advance) => Self::Advance(advance.try_into()?),
            Event::Log(log) => Self::Log(log.lines),
            Event::FileVerified(verified) => Self::FileVerified(verified.into()),
        })
    }
}

impl TryFrom<wire::Sealed> for Sealed {
    type Error = Malformed;

    fn try_from(sealed: wire::Sealed) -> Result<Self, Malformed> {
        let part = sealed.part.map(|part| SealedPart {
            file: FileId(part.file),
            number: part.number,
            etag: part.etag,
            crc32c: part.crc32c,
            bytes: part.bytes,
            items: part.items,
            line_bytes: part.line_bytes,
            last: part.last,
        });
        let steps = sealed.steps.into_iter().map(Step::try_from).collect::<Result<_, _>>()?;
        Ok(Self { part, steps })
    }
}

impl TryFrom<wire::Step> for Step {
    type Error = Malformed;

    fn try_from(step: wire::Step) -> Result<Self, Malformed> {
        use wire::step::Position as Wire;
        let position = match step.position {
            Some(Wire::After(key)) if !key.is_empty() => Position::After(key),
            Some(Wire::Done(true)) => Position::Done,
            _ => return Err(Malformed("a step without a position")),
        };
        if step.from_page > step.to_page {
            return Err(Malformed("a step backwards"));
        }
        Ok(Self {
            segment: Segment(step.segment),
            attempt: Attempt(step.attempt),
            from_page: step.from_page,
            to_page: step.to_page,
            items: step.items,
            position,
        })
    }
}

impl From<wire::Heartbeat> for Stats {
    fn from(beat: wire::Heartbeat) -> Self {
        Self {
            consumed: Units::from_milli(beat.consumed_milli_units),
            indexes: beat
                .indexes
                .into_iter()
                .map(|index| (index.name, Units::from_milli(index.milli_units)))
                .collect(),
            requests: beat.requests,
            items: beat.items,
            removed: beat.removed,
            bytes: beat.bytes,
            throttles: beat.throttles,
            retries: beat.retries,
            streams: beat.streams,
            last_error: beat.last_error,
            waits_for_units: beat.waits_for_units,
            store_wait_ms: beat.store_wait_ms,
        }
    }
}

impl TryFrom<wire::ToWorker> for ToWorker {
    type Error = Malformed;

    fn try_from(message: wire::ToWorker) -> Result<Self, Malformed> {
        use wire::to_worker::Event;
        Ok(match message.event.ok_or(Malformed("empty message of the coordinator"))? {
            Event::Export(settings) => Self::Export(Box::new(settings.try_into()?)),
            Event::Grant(grant) => Self::Grant {
                units: Units::from_milli(grant.milli_units),
                page: Units::from_milli(grant.page_milli_units),
            },
            Event::Lease(lease) => Self::Lease(lease.into()),
            Event::Import(settings) => Self::Import(Box::new(settings.try_into()?)),
            Event::Split(split) => Self::Split(Box::new(split.try_into()?)),
            Event::Verify(settings) => Self::Verify(Box::new(settings.try_into()?)),
            Event::FileLease(lease) => Self::VerifyFile(Box::new(lease.try_into()?)),
            Event::File(file) => Self::File {
                file: FileId(file.file),
                name: file.name.parse().map_err(|_| Malformed("the name of a file"))?,
                upload_id: file.upload_id.parse().map_err(|_| Malformed("an upload id"))?,
            },
            Event::Drain(_) => Self::Drain,
            Event::Finish(_) => Self::Finish,
            Event::Pass(wire::Pass { number }) => Self::Pass(PassNumber(number)),
            Event::SendLog(_) => Self::SendLog,
            Event::Keys(keys) if keys.access_key_id.is_empty() || keys.secret_access_key.is_empty() => {
                return Err(Malformed("credentials without a key"));
            }
            Event::Keys(keys) => Self::Keys(LentKeys {
                access_key_id: keys.access_key_id,
                secret_access_key: keys.secret_access_key,
                session_token: keys.session_token,
                expires_at: keys.expires_at,
            }),
        })
    }
}

impl From<wire::Lease> for Lease {
    fn from(lease: wire::Lease) -> Self {
        let position = if lease.after.is_empty() { Position::Start } else { Position::After(lease.after) };
        Self {
            segment: Segment(lease.segment),
            attempt: Attempt(lease.attempt),
            mark: Mark { position, pages: lease.pages, items: lease.items },
        }
    }
}

/// How files are written, from the names of format, compression and spelling of NULL.
pub(super) fn file_options(format: &str, compression: &str, null: &str) -> Result<FileOptions, Malformed> {
    Ok(FileOptions {
        format: match format {
            "" => OutputFormat::default(),
            name => name.parse().map_err(|_| Malformed("output format"))?,
        },
        compression: compression.parse().map_err(|_| Malformed("compression"))?,
        null: null.parse().map_err(|_| Malformed("spelling of NULL"))?,
    })
}

fn fixed_options(settings: &wire::ExportSettings) -> Result<FixedOptions, Malformed> {
    let files = file_options(&settings.format, &settings.compression, &settings.null)?;
    let segments =
        TotalSegments::try_from(settings.total_segments).map_err(|_| Malformed("number of segments"))?;
    Ok(FixedOptions { files, consistent: settings.consistent, segments })
}

impl TryFrom<wire::ExportSettings> for ExportSettings {
    type Error = Malformed;

    fn try_from(settings: wire::ExportSettings) -> Result<Self, Malformed> {
        Ok(Self {
            options: fixed_options(&settings)?,
            table: settings.table,
            target: settings.target.parse().map_err(|_| Malformed("target"))?,
            upload_part_bytes: settings.upload_part_bytes,
            part_file_bytes: settings.part_file_bytes,
            mean_item_bytes: settings.mean_item_bytes,
            aws: settings.aws.unwrap_or_default().try_into()?,
        })
    }
}

impl TryFrom<wire::Aws> for AwsAccess {
    type Error = Malformed;

    fn try_from(aws: wire::Aws) -> Result<Self, Malformed> {
        Ok(Self {
            region: aws.region,
            s3_region: aws.s3_region,
            dynamodb_endpoint: aws.dynamodb_endpoint,
            s3_endpoint: aws.s3_endpoint,
            profile: aws.profile,
            assume_role: aws.assume_role,
            external_id: aws.external_id,
            account: aws.account,
            s3: aws.s3.unwrap_or_default().try_into()?,
            lent: aws.lent,
        })
    }
}

impl TryFrom<wire::S3> for S3Settings {
    type Error = Malformed;

    fn try_from(s3: wire::S3) -> Result<Self, Malformed> {
        let sse = s3.sse.map(|sse| sse.parse()).transpose().map_err(|_| Malformed("encryption"))?;
        let tags = s3.tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
        Ok(Self {
            bucket_owner: s3.bucket_owner,
            requester_pays: s3.requester_pays,
            acl: s3.acl,
            sse,
            sse_kms_key_id: s3.sse_kms_key_id,
            storage_class: s3.storage_class,
            tags: Tags::new(tags).map_err(|_| Malformed("tags"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_older_versions_need_no_name_and_an_unknown_format_is_refused() {
        let settings = wire::ExportSettings {
            total_segments: 1,
            target: "/backup".into(),
            compression: "none".into(),
            null: "single".into(),
            ..wire::ExportSettings::default()
        };
        let read = ExportSettings::try_from(settings.clone()).unwrap();
        assert_eq!(read.options.files.format, OutputFormat::EmrLines);
        assert_eq!(wire::ExportSettings::from(read).format, "");
        let unknown = wire::ExportSettings { format: "parquet".into(), ..settings };
        assert_eq!(ExportSettings::try_from(unknown), Err(Malformed("output format")));
    }
}
