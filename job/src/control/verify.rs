//! Converts the messages of a verification from and to the wire format.

use super::{Malformed, read::file_options, wire, write::name_of};
use crate::{
    export_json::{PartFile, UploadPart},
    ids::{Attempt, FileId},
    schema::{KeyAttribute, KeySchema},
    spec::FileOptions,
    verify::{FileFound, FileLease, FileVerified, StoredFile, VerifySettings},
};

impl TryFrom<wire::VerifySettings> for VerifySettings {
    type Error = Malformed;

    fn try_from(settings: wire::VerifySettings) -> Result<Self, Malformed> {
        let partition = settings.partition.ok_or(Malformed("no partition key"))?.try_into()?;
        let sort = settings.sort.map(KeyAttribute::try_from).transpose()?;
        Ok(Self {
            folder: settings.folder.parse().map_err(|_| Malformed("folder"))?,
            options: file_options(&settings.format, &settings.compression, &settings.null)?,
            keys: KeySchema { partition, sort },
            seed: settings.seed,
            open_files: settings.open_files.max(1),
            key_bytes: settings.key_bytes,
            aws: settings.aws.unwrap_or_default().try_into()?,
        })
    }
}

impl From<VerifySettings> for wire::VerifySettings {
    fn from(settings: VerifySettings) -> Self {
        let VerifySettings { folder, options, keys, seed, open_files, key_bytes, aws } = settings;
        let FileOptions { format, compression, null } = options;
        Self {
            folder: folder.to_string(),
            compression: compression.name().to_owned(),
            null: null.name().to_owned(),
            format: name_of(format),
            partition: Some(keys.partition.into()),
            sort: keys.sort.map(Into::into),
            seed,
            open_files,
            key_bytes,
            aws: Some(aws.into()),
        }
    }
}

impl TryFrom<wire::FileLease> for FileLease {
    type Error = Malformed;

    fn try_from(lease: wire::FileLease) -> Result<Self, Malformed> {
        let part = |part: wire::RecordedPart| {
            let wire::RecordedPart { bytes, line_bytes, items, crc32c } = part;
            UploadPart { bytes, line_bytes, items, crc32c }
        };
        let record = PartFile {
            name: lease.name.parse().map_err(|_| Malformed("the name of a file"))?,
            items: lease.items,
            bytes: lease.bytes,
            crc32c: lease.crc32c,
            parts: lease.parts.into_iter().map(part).collect(),
        };
        let file = StoredFile { record, bytes: lease.stored_bytes, etag: lease.etag };
        Ok(Self { number: FileId(lease.number), attempt: Attempt(lease.attempt), file })
    }
}

impl From<FileLease> for wire::FileLease {
    fn from(FileLease { number, attempt, file }: FileLease) -> Self {
        let StoredFile { record, bytes: stored_bytes, etag } = file;
        let PartFile { name, items, bytes, crc32c, parts } = record;
        let part = |part: UploadPart| {
            let UploadPart { bytes, line_bytes, items, crc32c } = part;
            wire::RecordedPart { bytes, line_bytes, items, crc32c }
        };
        Self {
            number: number.0,
            attempt: attempt.0,
            name: name.into(),
            stored_bytes,
            etag,
            items,
            bytes,
            crc32c,
            parts: parts.into_iter().map(part).collect(),
        }
    }
}

impl From<wire::FileVerified> for FileVerified {
    fn from(verified: wire::FileVerified) -> Self {
        let wire::FileVerified { number, attempt, items, bytes, defects } = verified;
        let found = FileFound { items, bytes, defects };
        Self { number: FileId(number), attempt: Attempt(attempt), found }
    }
}

impl From<FileVerified> for wire::FileVerified {
    fn from(FileVerified { number, attempt, found }: FileVerified) -> Self {
        let FileFound { items, bytes, defects } = found;
        Self { number: number.0, attempt: attempt.0, items, bytes, defects }
    }
}
