//! An export of tablehaul: export.json describes every file, and the manifest lists them.

use std::collections::HashSet;

use format::output::input_of;
use job::{
    export_json::{ExportJson, PartFile},
    layout::{self, PartName},
    spec::Compression,
    split::Checksum,
    target::Target,
};

use super::{
    Kind, Part,
    defect::Defect,
    listed,
    named::{NameError, Named, NamedFile, pick, without_success},
};
use crate::store::Entry;

/// The recorded files. All must exist with their recorded lengths.
pub(super) fn name(
    folder: &Target,
    export: ExportJson,
    manifest: &[u8],
    entries: Vec<Entry>,
) -> Result<Named, NameError> {
    agrees(folder, &export, manifest, &entries)?;
    // The manifest was written after all files, so they are whole.
    let notes = without_success(folder, &entries).into_iter().collect();
    let names: Vec<&str> = export.files.iter().map(|file| &*file.name).collect();
    let entries = pick(folder, "export.json", &names, entries)?;
    let is_plain = export.options.compression == Compression::None;
    let file = |(file, entry): (&PartFile, Entry)| {
        let at = |defect: Defect| defect.of(folder.url(&file.name));
        if entry.bytes != file.bytes {
            return Err(at(Defect::Length { bytes: entry.bytes, recorded: file.bytes }));
        }
        let parts = parts(file, is_plain).map_err(at)?;
        let checksum = Some(Checksum::Crc32c(crc32c(&file.crc32c).map_err(at)?));
        Ok(NamedFile { entry, parts, checksum, is_listed: true })
    };
    let files = export.files.iter().zip(entries).map(file).collect::<Result<Vec<_>, Defect>>()?;
    Ok(Named {
        table: export.table["TableName"].as_str().map(str::to_owned),
        keys: Some(export.keys),
        items: Some(export.items),
        notes,
        format: Some(input_of(export.options.format)),
        ..Named::new(Kind::Tablehaul, files)
    })
}

/// Checks that export.json agrees with itself, with the manifest, and with the part files in the folder: if it listed
/// too few, an import would write too few items and not notice.
fn agrees(folder: &Target, export: &ExportJson, manifest: &[u8], entries: &[Entry]) -> Result<(), Defect> {
    let (own, manifest_url) = (folder.url(layout::EXPORT_JSON), folder.url(layout::MANIFEST));
    let sum = |of: fn(&PartFile) -> u64| export.files.iter().map(of).map(u128::from).sum::<u128>();
    let (items, bytes) = (sum(|file| file.items), sum(|file| file.bytes));
    if (items, bytes) != (export.items.into(), export.bytes.into()) {
        let (total_items, total_bytes) = (export.items, export.bytes);
        return Err(Defect::Totals { file: own, items, bytes, total_items, total_bytes });
    }
    let listed = listed::edc(manifest)
        .map_err(|defect| Defect::Damaged { file: manifest_url.clone(), source: defect.into() })?;
    if !listed::is_of(&listed, export) {
        return Err(Defect::OtherFiles { manifest: manifest_url, own });
    }
    let recorded: HashSet<&str> = export.files.iter().map(|file| &*file.name).collect();
    let is_left_out = |entry: &&Entry| {
        let name = entry.name.parse::<PartName>();
        name.is_ok_and(|name| {
            name.is_of(&export.job, export.options.compression) && !recorded.contains(entry.name.as_str())
        })
    };
    match entries.iter().filter(is_left_out).min_by_key(|entry| &entry.name) {
        Some(entry) => Err(Defect::LeftOut { file: folder.url(&entry.name), own }),
        None => Ok(()),
    }
}

/// The parts of a file. They must cover the whole file: bytes outside of all parts would be lost.
///
/// # Errors
/// Fails if export.json contradicts itself.
pub(crate) fn parts(file: &PartFile, is_plain: bool) -> Result<Vec<Part>, Defect> {
    let sum = |of: fn(&job::export_json::UploadPart) -> u64| {
        file.parts.iter().map(of).try_fold(0_u64, u64::checked_add)
    };
    let adds_up = sum(|part| part.bytes) == Some(file.bytes)
        && sum(|part| part.items) == Some(file.items)
        && sum(|part| part.line_bytes).is_some();
    let fits = file.parts.iter().all(|part| part.bytes > 0 && (!is_plain || part.bytes == part.line_bytes));
    let is_whole = adds_up && fits;
    if !file.parts.is_empty() && !is_whole {
        return Err(Defect::Parts);
    }
    let part = |part: &job::export_json::UploadPart| {
        let crc32c = crc32c(&part.crc32c)?;
        Ok(Part { bytes: part.bytes, line_bytes: part.line_bytes, crc32c })
    };
    file.parts.iter().map(part).collect()
}

fn crc32c(digits: &str) -> Result<u32, Defect> {
    let is_whole = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_whole);
    number.ok_or(Defect::Crc32c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::export_json::UploadPart;

    const NAME: &str = "00000000-0000-0000-0000-000000000001_000000";

    fn file(parts: &[(u64, u64, u64)]) -> PartFile {
        let part = |&(bytes, line_bytes, items)| {
            let crc32c = "00c0ffee".into();
            UploadPart { bytes, line_bytes, items, crc32c }
        };
        let parts = parts.iter().map(part).collect();
        PartFile { name: NAME.parse().unwrap(), items: 5, bytes: 10, crc32c: "00000001".into(), parts }
    }

    #[test]
    fn parts_are_taken_if_they_are_all_of_the_file() {
        let taken = parts(&file(&[(7, 30, 3), (3, 12, 2)]), false).unwrap();
        assert_eq!(taken[1], Part { bytes: 3, line_bytes: 12, crc32c: 0x00c0_ffee });
        assert!(parts(&file(&[]), false).unwrap().is_empty());
    }

    #[test]
    fn parts_with_a_gap_or_an_item_too_few_are_refused() {
        for wrong in [
            &[(7, 30, 3), (2, 12, 2)][..],
            &[(7, 30, 3), (3, 12, 1)],
            &[(10, 30, 5), (0, 0, 0)],
            &[(10, u64::MAX, 5), (0, 1, 0)],
            &[(7, 30, 3), (u64::MAX, 12, 2)],
        ] {
            assert!(parts(&file(wrong), false).is_err(), "{wrong:?}");
        }
        assert!(parts(&file(&[(10, 11, 5)]), true).is_err(), "plain lines are as long as they are stored");
        assert!(parts(&file(&[(10, 10, 5)]), true).is_ok());
    }

    #[test]
    fn a_checksum_has_eight_digits() {
        assert_eq!(crc32c("0000beef").unwrap(), 0xbeef);
        for wrong in ["", "beef", "+000beef", "0000beeg", "00000beef"] {
            assert!(crc32c(wrong).is_err(), "{wrong}");
        }
    }
}
