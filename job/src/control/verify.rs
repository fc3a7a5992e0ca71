//! Converts the messages of a verification from and to the wire format.

use super::{
    Malformed,
    read::file_options,
    splits::{checksum_from, checksum_to},
    wire,
    write::name_of,
};
use crate::{
    export_json::{PartFile, UploadPart},
    ids::{Attempt, FileId},
    schema::{KeyAttribute, KeySchema},
    spec::FileOptions,
    split::InputFormat,
    verify::{
        FileFound, FileLease, FileRecord, FileRules, FileVerified, ListedFile, StoredFile, VerifySettings,
    },
};

impl TryFrom<wire::VerifySettings> for VerifySettings {
    type Error = Malformed;

    fn try_from(settings: wire::VerifySettings) -> Result<Self, Malformed> {
        let rules = match settings.listed {
            Some(wire::ListedRules { is_incremental }) => FileRules::Listed { is_incremental },
            None => FileRules::Export {
                options: file_options(&settings.format, &settings.compression, &settings.null)?,
                keys: KeySchema {
                    partition: settings.partition.ok_or(Malformed("no partition key"))?.try_into()?,
                    sort: settings.sort.map(KeyAttribute::try_from).transpose()?,
                },
            },
        };
        Ok(Self {
            folder: settings.folder.parse().map_err(|_| Malformed("folder"))?,
            rules,
            seed: settings.seed,
            open_files: settings.open_files.max(1),
            key_bytes: settings.key_bytes,
            aws: settings.aws.unwrap_or_default().try_into()?,
        })
    }
}

impl From<VerifySettings> for wire::VerifySettings {
    fn from(settings: VerifySettings) -> Self {
        let VerifySettings { folder, rules, seed, open_files, key_bytes, aws } = settings;
        let (folder, aws) = (folder.to_string(), Some(aws.into()));
        let common = Self { folder, seed, open_files, key_bytes, aws, ..Self::default() };
        match rules {
            FileRules::Export { options: FileOptions { format, compression, null }, keys } => Self {
                compression: compression.name().to_owned(),
                null: null.name().to_owned(),
                format: name_of(format),
                partition: Some(keys.partition.into()),
                sort: keys.sort.map(Into::into),
                ..common
            },
            FileRules::Listed { is_incremental } => {
                Self { listed: Some(wire::ListedRules { is_incremental }), ..common }
            }
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
        let record = match lease.listed {
            Some(listed) => FileRecord::Listed(listed_file(lease.name, listed)?),
            None => FileRecord::Part(PartFile {
                name: lease.name.parse().map_err(|_| NAME)?,
                items: lease.items,
                bytes: lease.bytes,
                crc32c: lease.crc32c,
                parts: lease.parts.into_iter().map(part).collect(),
            }),
        };
        let file = StoredFile { record, bytes: lease.stored_bytes, etag: lease.etag };
        Ok(Self { number: FileId(lease.number), attempt: Attempt(lease.attempt), file })
    }
}

const NAME: Malformed = Malformed("the name of a file");

fn listed_file(name: String, listed: wire::ListedFile) -> Result<ListedFile, Malformed> {
    // It is joined to the folder: a worker must not read anything else.
    if matches!(&*name, "" | "." | "..") || name.contains('/') {
        return Err(NAME);
    }
    let format = |name: &str| name.parse::<InputFormat>().map_err(|()| Malformed("format of a file"));
    Ok(ListedFile {
        name,
        items: listed.items,
        checksum: checksum_from(listed.crc32c, listed.md5)?,
        codec: listed.codec.parse().map_err(|()| Malformed("codec of a file"))?,
        format: Some(&*listed.format).filter(|name| !name.is_empty()).map(format).transpose()?,
    })
}

impl From<FileLease> for wire::FileLease {
    fn from(FileLease { number, attempt, file }: FileLease) -> Self {
        let StoredFile { record, bytes: stored_bytes, etag } = file;
        let name = record.name().to_owned();
        let common =
            Self { number: number.0, attempt: attempt.0, name, stored_bytes, etag, ..Self::default() };
        let part = |part: UploadPart| {
            let UploadPart { bytes, line_bytes, items, crc32c } = part;
            wire::RecordedPart { bytes, line_bytes, items, crc32c }
        };
        match record {
            FileRecord::Part(PartFile { name: _, items, bytes, crc32c, parts }) => {
                Self { items, bytes, crc32c, parts: parts.into_iter().map(part).collect(), ..common }
            }
            FileRecord::Listed(ListedFile { name: _, items, checksum, codec, format }) => {
                let (crc32c, md5) = checksum_to(checksum);
                let format = format.map(InputFormat::name).unwrap_or_default().to_owned();
                let listed = wire::ListedFile { items, crc32c, md5, codec: codec.name().to_owned(), format };
                Self { listed: Some(listed), ..common }
            }
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
