use super::*;

const MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

fn summary(more: &str) -> Summary {
    let arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum";
    let json = format!(
        "{{\"itemCount\":3,\"outputFormat\":\"ION\",\"tableArn\":\"{arn}\",\"s3Bucket\":\"old\"{more}}}"
    );
    Summary::read(json.as_bytes()).unwrap()
}

fn lines(files: &[(&str, u64)]) -> String {
    let line = |(key, items): &(&str, u64)| {
        format!(
            "{{\"itemCount\":{items},\"md5Checksum\":\"{MD5}\",\"etag\":\"x-1\",\"dataFileS3Key\":\"{key}\"}}\n"
        )
    };
    files.iter().map(line).collect()
}

fn listed(data: &str, files: &[(&str, u64)]) -> Result<BackupListing, String> {
    let entry = |name: &str| Entry { name: name.into(), bytes: 1, etag: None };
    let files = Files::read(lines(files).as_bytes()).map_err(|defect| defect.to_string())?;
    let listed = list(&data.parse().unwrap(), &summary(""), &files, vec![entry("a"), entry("b")]);
    listed.and_then(BackupListing::whole).map_err(|error| error.text(None))
}

#[test]
fn what_is_missing_does_not_shift_what_is_stated_of_the_others() {
    let own = |name: &str| format!("AWSDynamoDB/1-a/data/{name}");
    let files = lines(&[(&own("x"), 1), (&own("b"), 2)]);
    let files = Files::read(files.as_bytes()).unwrap();
    let entry = Entry { name: "b".into(), bytes: 1, etag: None };
    let listed = list(&"/x".parse().unwrap(), &summary(""), &files, vec![entry]).unwrap();
    assert_eq!((listed.files.len(), listed.files[0].items), (1, Some(2)));
    assert_eq!(listed.missing.unwrap().names, ["x"]);
}

#[test]
fn export_ids_are_told_from_other_names() {
    assert!(is_export_id("01693685827463-2d8752fd"));
    assert!(is_export_id("1693685827463-2D8752FD"));
    for other in ["data", "2026-01-01", "1693685827463-2d8752f", "1693685827463", "x693685827463-2d8752fd"] {
        assert!(!is_export_id(other), "{other}");
    }
}

#[test]
fn a_manifest_must_match_the_checksum_beside_it() {
    let md5 = base64::encode(Md5::digest(b"{}"));
    assert!(check_md5(b"{}", format!("{md5}\n").as_bytes()));
    let digits = "99914b932bd37a50b983c5e7c90ae93b";
    for right in [digits, &digits.to_uppercase(), &format!(" {digits}\r\n")] {
        assert!(check_md5(b"{}", right.as_bytes()), "{right}");
    }
    assert!(check_md5(b"\xef\xbb\xbf{}", digits.as_bytes()), "a byte order mark was added");
    for wrong in [MD5, "", "\u{ff}", "xx", &digits[1..], &digits.replace('9', "8")] {
        assert!(!check_md5(b"{}", wrong.as_bytes()), "{wrong}");
    }
}

#[test]
fn keys_say_where_files_lie() {
    for (key, place) in [
        ("AWSDynamoDB/1-a/data/x.json.gz", Some(DataFolder::Own)),
        ("a/b/AWSDynamoDB/1-a/data/x.json.gz", Some(DataFolder::Own)),
        ("AWSDynamoDB/data/AWSDynamoDB/1-a/data/x", Some(DataFolder::Own)),
        ("a/AWSDynamoDB/data/x.json.gz", Some(DataFolder::Shared)),
        ("x", None),
        ("a/data/x", None),
        ("AWSDynamoDB/x", None),
        ("AWSDynamoDB/1-a/data/", None),
        ("AWSDynamoDB/1-a/data/..", None),
        ("AWSDynamoDB/../data/x", None),
        ("AWSDynamoDB/1-a/other/x", None),
        ("AWSDynamoDB/1-a/data/sub/x", None),
        ("myAWSDynamoDB/data/x", None),
        ("AWSDynamoDBs/data/x", None),
    ] {
        assert_eq!(split_key(key).map(|(_, place, _)| place), place, "{key}");
    }
}

#[test]
fn an_export_in_its_place_needs_no_note() {
    let files = [("p/AWSDynamoDB/1-a/data/b", 1), ("p/AWSDynamoDB/1-a/data/a", 2)];
    let here = listed("s3://old/p/AWSDynamoDB/1-a/data", &files).unwrap();
    assert_eq!(here.notes, [""; 0]);
    let names: Vec<&str> = here.files.iter().map(|file| file.entry.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!((here.kind, here.items, here.format), (Kind::Native, Some(3), Some(InputFormat::Ion)));
    assert_eq!(here.table.as_deref(), Some("Forum"));
    assert!(matches!(here.files[0].checksum, Some(Checksum::Md5([0xd4, 0x1d, ..]))));
    let moved = listed("s3://new/1-a/data", &files).unwrap().notes;
    assert_eq!(
        moved,
        ["the export names s3://old/p/AWSDynamoDB/1-a/data: reading its files from s3://new/1-a/data"]
    );
}

#[test]
fn files_that_do_not_add_up_or_are_not_there_are_refused() {
    let own = |name: &str| format!("AWSDynamoDB/1-a/data/{name}");
    let (a, x) = (own("a"), own("x"));
    assert!(listed("/x", &[(&a, 2)]).unwrap_err().contains("states 3 items"));
    assert!(listed("/x", &[(&x, 3)]).unwrap_err().contains("is missing (first: x)"));
    assert!(listed("/x", &[(&a, 2), (&a, 1)]).unwrap_err().contains("lists a more than once"));
    let mixed = listed("/x", &[(&a, 2), ("AWSDynamoDB/data/b", 1)]).unwrap_err();
    assert!(mixed.starts_with("line 2 names AWSDynamoDB/data/b"), "{mixed}");
}

#[test]
fn lines_cut_off_are_refused() {
    let whole = lines(&[("AWSDynamoDB/1-a/data/a", 3)]);
    assert!(
        Files::read(&whole.as_bytes()[..40])
            .unwrap_err()
            .to_string()
            .contains("line 1 is damaged (it is cut off)")
    );
    assert_eq!(Files::read(b"").unwrap().place, None);
}

#[test]
fn the_summary_says_what_kind_of_export_it_is() {
    assert_eq!(summary("").kind().unwrap(), Kind::Native);
    assert_eq!(summary(",\"exportType\":\"FULL_EXPORT\"").kind().unwrap(), Kind::Native);
    assert_eq!(summary(",\"exportType\":\"INCREMENTAL_EXPORT\"").kind().unwrap(), Kind::Incremental);
    assert!(summary(",\"exportType\":\"OTHER\"").kind().is_err());
    assert!(Summary::read(b"{\"itemCount\":1}").is_err());
}
