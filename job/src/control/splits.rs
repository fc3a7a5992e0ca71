//! Converts the messages of an import from and to the wire format.

use super::{Malformed, wire};
use crate::{
    capacity::Units,
    ids::{Attempt, SplitId},
    schema::{IndexKeys, KeyAttribute, KeyKind, KeySchema},
    spec::ImportSettings,
    split::{Advance, Checksum, Counts, Reject, Split, SplitLease},
};

impl TryFrom<wire::Advance> for Advance {
    type Error = Malformed;

    fn try_from(advance: wire::Advance) -> Result<Self, Malformed> {
        let wire::Advance { from, to, done, .. } = advance;
        if from > to {
            return Err(Malformed("an advance backwards"));
        }
        let counts = Counts {
            items: advance.items,
            removed: advance.removed,
            kept: advance.kept,
            item_bytes: advance.item_bytes,
            units: Units::from_milli(advance.milli_units),
        };
        let rejects = advance.rejects.into_iter().map(|reject| Reject {
            offset: reject.offset,
            reason: reject.reason,
            line: reject.line,
        });
        Ok(Self {
            split: SplitId(advance.split),
            attempt: Attempt(advance.attempt),
            from,
            to,
            done,
            counts,
            rejects: rejects.collect(),
        })
    }
}

impl From<Advance> for wire::Advance {
    fn from(advance: Advance) -> Self {
        let Advance { split, attempt, from, to, done, counts, rejects } = advance;
        let rejects =
            rejects.into_iter().map(|Reject { offset, reason, line }| wire::Reject { offset, reason, line });
        Self {
            split: split.0,
            attempt: attempt.0,
            from,
            to,
            done,
            items: counts.items,
            removed: counts.removed,
            kept: counts.kept,
            item_bytes: counts.item_bytes,
            milli_units: counts.units.milli(),
            rejects: rejects.collect(),
        }
    }
}

impl TryFrom<wire::Split> for SplitLease {
    type Error = Malformed;

    fn try_from(lease: wire::Split) -> Result<Self, Malformed> {
        if lease.from > lease.to || lease.to > lease.object_bytes || lease.mark < lease.text_start {
            return Err(Malformed("range of a split"));
        }
        let checksum = checksum_from(lease.crc32c, lease.md5)?;
        let split = Split {
            split: SplitId(lease.split),
            object: lease.object.parse().map_err(|_| Malformed("object of a split"))?,
            etag: lease.etag,
            object_bytes: lease.object_bytes,
            stored: lease.from..lease.to,
            text_start: lease.text_start,
            cut: lease.cut,
            codec: lease.codec.parse().map_err(|()| Malformed("codec of a split"))?,
            format: lease.format.parse().map_err(|()| Malformed("format of a split"))?,
            checksum,
        };
        Ok(Self { split, attempt: Attempt(lease.attempt), mark: lease.mark })
    }
}

impl From<SplitLease> for wire::Split {
    fn from(SplitLease { split, attempt, mark }: SplitLease) -> Self {
        let (crc32c, md5) = checksum_to(split.checksum);
        Self {
            split: split.split.0,
            attempt: attempt.0,
            mark,
            object: split.object.to_string(),
            etag: split.etag,
            object_bytes: split.object_bytes,
            from: split.stored.start,
            to: split.stored.end,
            text_start: split.text_start,
            cut: split.cut,
            codec: split.codec.name().to_owned(),
            format: split.format.name().to_owned(),
            crc32c,
            md5,
        }
    }
}

/// The checksum in these two fields. An empty MD5 means that there is none.
pub(super) fn checksum_from(crc32c: Option<u32>, md5: Vec<u8>) -> Result<Option<Checksum>, Malformed> {
    let md5: Option<[u8; 16]> = match md5.len() {
        0 => None,
        _ => Some(md5.try_into().map_err(|_| Malformed("a checksum"))?),
    };
    Ok(crc32c.map(Checksum::Crc32c).or(md5.map(Checksum::Md5)))
}

/// The two fields that a checksum is sent as.
pub(super) fn checksum_to(checksum: Option<Checksum>) -> (Option<u32>, Vec<u8>) {
    match checksum {
        Some(Checksum::Crc32c(crc32c)) => (Some(crc32c), Vec::new()),
        Some(Checksum::Md5(md5)) => (None, md5.to_vec()),
        None => (None, Vec::new()),
    }
}

impl TryFrom<wire::ImportSettings> for ImportSettings {
    type Error = Malformed;

    fn try_from(settings: wire::ImportSettings) -> Result<Self, Malformed> {
        let partition = settings.partition.ok_or(Malformed("no partition key"))?.try_into()?;
        let sort = settings.sort.map(KeyAttribute::try_from).transpose()?;
        let indexes = settings.indexes.into_iter().map(IndexKeys::try_from);
        Ok(Self {
            table: settings.table,
            keys: KeySchema { partition, sort },
            indexes: indexes.collect::<Result<_, _>>()?,
            is_incremental: settings.is_incremental,
            mode: settings.mode.parse().map_err(|_| Malformed("mode"))?,
            open_splits: settings.open_splits.max(1),
            aws: settings.aws.unwrap_or_default().try_into()?,
        })
    }
}

impl From<ImportSettings> for wire::ImportSettings {
    fn from(settings: ImportSettings) -> Self {
        let ImportSettings { table, keys, indexes, is_incremental, mode, open_splits, aws } = settings;
        Self {
            table,
            partition: Some(keys.partition.into()),
            sort: keys.sort.map(Into::into),
            indexes: indexes.into_iter().map(Into::into).collect(),
            is_incremental,
            mode: mode.name().to_owned(),
            open_splits,
            aws: Some(aws.into()),
        }
    }
}

impl TryFrom<wire::IndexKeys> for IndexKeys {
    type Error = Malformed;

    fn try_from(keys: wire::IndexKeys) -> Result<Self, Malformed> {
        let all = |attributes: Vec<wire::KeyAttribute>| {
            attributes.into_iter().map(KeyAttribute::try_from).collect::<Result<_, _>>()
        };
        Ok(Self { name: keys.name, partition: all(keys.partition)?, sort: all(keys.sort)? })
    }
}

impl From<IndexKeys> for wire::IndexKeys {
    fn from(IndexKeys { name, partition, sort }: IndexKeys) -> Self {
        let all = |attributes: Vec<KeyAttribute>| attributes.into_iter().map(Into::into).collect();
        Self { name, partition: all(partition), sort: all(sort) }
    }
}

impl TryFrom<wire::KeyAttribute> for KeyAttribute {
    type Error = Malformed;

    fn try_from(key: wire::KeyAttribute) -> Result<Self, Malformed> {
        let kind = match key.kind.as_str() {
            "S" => KeyKind::S,
            "N" => KeyKind::N,
            "B" => KeyKind::B,
            _ => return Err(Malformed("type of a key")),
        };
        Ok(Self { name: key.name, kind })
    }
}

impl From<KeyAttribute> for wire::KeyAttribute {
    fn from(KeyAttribute { name, kind }: KeyAttribute) -> Self {
        let kind = match kind {
            KeyKind::S => "S",
            KeyKind::N => "N",
            KeyKind::B => "B",
        };
        Self { name, kind: kind.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::ToWorker,
        spec::{AwsAccess, S3Settings, Sse, WriteMode},
        split::{Codec, InputFormat},
    };

    #[test]
    fn what_is_sent_to_a_worker_arrives() {
        let split = Split {
            split: SplitId(7),
            object: "s3://bucket/a".parse().unwrap(),
            etag: "x".into(),
            object_bytes: 100,
            stored: 10..90,
            text_start: 10,
            cut: true,
            codec: Codec::Plain,
            format: InputFormat::Ion,
            checksum: Some(Checksum::Md5([7; 16])),
        };
        let lease = ToWorker::Split(Box::new(SplitLease { split, attempt: Attempt(2), mark: 20 }));
        assert_eq!(ToWorker::try_from(wire::ToWorker::from(lease.clone())), Ok(lease));

        let s3 = S3Settings {
            bucket_owner: Some("123456789012".into()),
            requester_pays: true,
            acl: Some("private".into()),
            sse: Some(Sse::KmsDsse),
            sse_kms_key_id: Some("alias/x".into()),
            storage_class: Some("STANDARD_IA".into()),
            tags: "a=b,c=d".parse().unwrap(),
        };
        let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let settings = ToWorker::Import(Box::new(ImportSettings {
            table: "Forum".into(),
            keys: KeySchema { partition: key("pk", KeyKind::S), sort: Some(key("sk", KeyKind::B)) },
            indexes: vec![IndexKeys {
                name: "by-x".into(),
                partition: vec![key("x", KeyKind::N), key("pk", KeyKind::S)],
                sort: vec![key("y", KeyKind::B)],
            }],
            is_incremental: true,
            mode: WriteMode::PutIfAbsent,
            open_splits: 8,
            aws: AwsAccess { s3, region: Some("eu-west-1".into()), ..AwsAccess::default() },
        }));
        assert_eq!(ToWorker::try_from(wire::ToWorker::from(settings.clone())), Ok(settings));
    }

    #[test]
    fn an_advance_arrives_and_one_backwards_does_not() {
        let advance = Advance {
            split: SplitId(7),
            attempt: Attempt(1),
            from: 10,
            to: 20,
            done: true,
            counts: Counts { items: 1, removed: 5, kept: 2, item_bytes: 3, units: Units::from_units(4) },
            rejects: vec![Reject { offset: 12, reason: "not JSON".into(), line: b"\xff".to_vec() }],
        };
        let sent = wire::Advance::from(advance.clone());
        assert_eq!(Advance::try_from(sent.clone()), Ok(advance));
        assert!(Advance::try_from(wire::Advance { to: 9, ..sent }).is_err());
    }
}
