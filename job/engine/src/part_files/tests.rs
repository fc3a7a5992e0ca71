use super::*;

const A: WorkerId = WorkerId(1);

fn job() -> JobId {
    JobId::from_u128(7)
}

fn part(number: u32, bytes: u64, last: bool) -> SealedPart {
    SealedPart {
        file: FileId(0),
        number,
        etag: String::new(),
        crc32c: 0,
        bytes,
        items: 1,
        line_bytes: bytes,
        last,
    }
}

fn one_open_file() -> PartFiles {
    let mut files = PartFiles::new(job(), Compression::None, false);
    files.assign(A);
    files.opened(FileId(0), "upload".parse().unwrap());
    files
}

#[test]
fn parts_come_in_order_from_their_worker_only() {
    let mut files = one_open_file();
    let big = MIN_UPLOAD_PART_BYTES;
    assert!(matches!(files.check(WorkerId(2), &part(1, big, false)), Err(PartRejection::NotYours(_))));
    assert!(files.all()[0].needs_fence(), "until its last part it can be written to");
    assert!(matches!(files.check(A, &part(2, big, false)), Err(PartRejection::OutOfOrder { .. })));
    assert!(matches!(files.check(A, &part(1, big - 1, false)), Err(PartRejection::TooSmall { .. })));
    assert_eq!(files.check(A, &part(1, big, false)), Ok(()));
    files.apply(part(1, big, false));
    assert_eq!(files.check(A, &part(2, 1, true)), Ok(()), "the last part may be small");
    files.apply(part(2, 1, true));
    assert!(!files.all()[0].needs_fence());
    assert!(matches!(files.check(A, &part(3, big, true)), Err(PartRejection::Closed(_))));
    assert_eq!((files.all()[0].bytes(), files.all()[0].items()), (big + 1, 2));
}

#[test]
fn nothing_is_taken_into_the_files_of_a_lost_worker() {
    let mut files = one_open_file();
    files.apply(part(1, MIN_UPLOAD_PART_BYTES, false));
    assert_eq!(files.close_of(A), [FileId(0)]);
    assert!(matches!(files.check(A, &part(2, 1, true)), Err(PartRejection::Closed(_))));
    assert_eq!(files.all()[0].parts.len(), 1);
    assert!(files.close_of(A).is_empty());
}

#[test]
fn files_of_an_earlier_run_keep_their_parts_and_take_no_more() {
    let mut files = PartFiles::new(job(), Compression::None, false);
    let opened = |file, upload_id: &str| OpenedFile {
        file: FileId(file),
        name: layout::part_file(&job(), FileId(file), Compression::None),
        upload_id: upload_id.parse().unwrap(),
    };
    files.replay(opened(1, "b")).unwrap();
    files.replay(opened(0, "a")).unwrap();
    assert!(matches!(files.replay(opened(0, "c")), Err(PartRejection::Twice(_))));
    files.check_number(&part(1, 9, false)).unwrap();
    files.apply(part(1, 9, false));
    files.settle();
    assert!(matches!(files.check(EARLIER_RUN, &part(2, 9, true)), Err(PartRejection::Closed(_))));
    assert!(files.all()[0].needs_fence());
    files.fenced(FileId(0)).unwrap();
    assert!(!files.all()[0].needs_fence());
    assert_eq!(files.assign(A).id, FileId(2), "numbers go on");
}

#[test]
fn a_file_is_recorded_with_its_parts_and_their_checksums() {
    let mut files = one_open_file();
    let (first, second) = (b"{}\n{}\n".as_slice(), b"{}\n".as_slice());
    for (number, bytes) in [(1, first), (2, second)] {
        let crc32c = crc32c::crc32c(bytes);
        files.apply(SealedPart { crc32c, ..part(number, bytes.len() as u64, number == 2) });
    }
    let file = files.all()[0].recorded();
    assert_eq!(file.crc32c, format!("{:08x}", crc32c::crc32c(&[first, second].concat())));
    let parts: Vec<_> = file.parts.iter().map(|part| (part.bytes, part.crc32c.as_str())).collect();
    let crc32c = |bytes| format!("{:08x}", crc32c::crc32c(bytes));
    assert_eq!(parts, [(6, crc32c(first).as_str()), (3, crc32c(second).as_str())]);
}

#[test]
fn what_this_job_can_not_have_written_is_no_file_of_an_earlier_run() {
    let opened = |file, of: u128, upload_id: &str| OpenedFile {
        file: FileId(file),
        name: layout::part_file(&JobId::from_u128(of), FileId(file), Compression::None),
        upload_id: upload_id.parse().unwrap(),
    };
    let replayed =
        |on_file_system, opened| PartFiles::new(job(), Compression::None, on_file_system).replay(opened);
    for on_file_system in [false, true] {
        assert_eq!(replayed(on_file_system, opened(3, 7, "u")), Ok(()));
        let of_another_job = replayed(on_file_system, opened(3, 8, "u"));
        assert_eq!(of_another_job, Err(PartRejection::Misnamed(FileId(3))));
        let of_another_number = replayed(on_file_system, OpenedFile { file: FileId(4), ..opened(3, 7, "u") });
        assert_eq!(of_another_number, Err(PartRejection::Misnamed(FileId(4))));
        let too_many = replayed(on_file_system, opened(u32::MAX, 7, "u"));
        assert_eq!(too_many, Err(PartRejection::TooMany(FileId(u32::MAX))));
    }
    assert_eq!(replayed(false, opened(3, 7, "2~a/b.c")), Ok(()), "S3 may call its uploads so");
    assert_eq!(replayed(true, opened(3, 7, "../x")), Err(PartRejection::UploadId(FileId(3))));
    let mut files = one_open_file();
    for part in [
        part(1, MAX_PART_BYTES + 1, true),
        SealedPart { items: u64::MAX, ..part(1, 9, true) },
        SealedPart { line_bytes: u64::MAX, ..part(1, 9, true) },
    ] {
        assert!(matches!(files.check_number(&part), Err(PartRejection::TooLarge { .. })));
    }
    let other = SealedPart { line_bytes: 10, ..part(1, 9, true) };
    assert!(matches!(files.check_number(&other), Err(PartRejection::OtherLength { .. })));
    let mut compressed = PartFiles::new(job(), Compression::Gzip, false);
    compressed.assign(A);
    compressed.opened(FileId(0), "upload".parse().unwrap());
    assert_eq!(compressed.check_number(&other), Ok(A), "only reading it would tell");
    files.apply(part(1, MAX_PART_BYTES, true));
}
