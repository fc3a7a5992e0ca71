use super::*;

#[test]
fn the_shapes_that_people_bring_are_known() {
    let mut tar = vec![0; 512];
    tar[..4].copy_from_slice(b"data");
    tar[TAR_MAGIC_AT..TAR_MAGIC_AT + 5].copy_from_slice(b"ustar");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let utf16_be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    for (text, shape) in [
        (&br#"{"Items":[{"pk":{"S":"a"}}],"Count":1,"ScannedCount":1,"ConsumedCapacity":null}"#[..], ITEMS),
        (br#"{"Count": 1, "Items": [{"pk": {"S": "a"}}]}"#, ITEMS),
        (b"{\n    \"Items\": [\n        {\n            \"pk\": {\"S\": \"a\"}", ITEMS),
        (b"{\n  \"Count\": 2,\n  \"Items\": [\n", ITEMS),
        (br#"{"RequestItems":{"Forum":[{"PutRequest":{"Item":{"pk":{"S":"a"}}}}]}}"#, REQUEST_ITEMS),
        (br#"{"Forum":[{"PutRequest":{"Item":{"pk":{"S":"a"}}}}]}"#, WRITE_REQUESTS),
        (b"{\n\t\"Forum\": [\n\t\t{\n\t\t\t\"DeleteRequest\": {", WRITE_REQUESTS),
        (br#"{"Responses":{"Forum":[{"pk":{"S":"a"}}]},"UnprocessedKeys":{}}"#, RESPONSES),
        (br#"[{"pk":{"S":"a"}}]"#, ARRAY),
        (b"[\n  {\n    \"pk\": \"a\"", ARRAY),
        (b"\xef\xbb\xbf [", ARRAY),
        (br#"{"pk":"a","n":1}"#, PLAIN),
        (br#"{"n":1,"tags":{"a":1}}"#, PLAIN),
        (br#"{"tags":["a"],"o":{}}"#, PLAIN),
        (b"{\n  \"pk\": \"a\"\n}", PLAIN),
        (b"{\n  \"pk\": {\n    \"S\": \"a\"\n  }\n}\n", PRETTY),
        (b"{\n  \"Item\": {\n", PRETTY),
        (b"{\"pk\": {\"S\": \"a\"},\n\"sk\": {\"N\": \"1\"}}\n", PRETTY),
        (b"{\r\n", PRETTY),
        (br#"{"eventID":"1","eventName":"INSERT","dynamodb":{"Keys":{"pk":{"S":"a"}}}}"#, STREAMS),
        (br#"{"Records":[{"eventID":"1"}]}"#, STREAMS),
        (br#"{"Table":{"AttributeDefinitions":[{"AttributeName":"pk"}],"TableName":"Forum"}}"#, TABLE),
        (br#"{"itemCount":1,"md5Checksum":"x","dataFileS3Key":"AWSDynamoDB/1/data/x.json.gz"}"#, MANIFEST),
        (br#"{"version":"2020-06-30","exportArn":"arn:aws:dynamodb"}"#, MANIFEST),
        (b"{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entries\": [\n", MANIFEST),
        (br#"{"version":4,"terraform_version":"1.9.0","resources":[]}"#, TERRAFORM),
        (br#"<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>"#, MARKUP),
        (b"\n<!DOCTYPE html>", MARKUP),
        (b"pk,sk,name\na,1,b\n", COLUMNS),
        (b"pk\tsk\r\n", COLUMNS),
        (b"PAR1\x15\x04\x15", PARQUET),
        (b"Obj\x01\x04\x14", AVRO),
        (b"ORC\x11\0", ORC),
        (b"PK\x03\x04\x14\0", ZIP),
        (&tar, TAR),
        (b"\xfd7zXZ\0\0", COMPRESSED),
        (b"\x04\x22\x4d\x18\x64", COMPRESSED),
        (b"{\"pk\":{\"s\":\"a\"}},\n{\"pk\":{\"s\":\"b\"}}\n", COMMAS),
        (b"{'pk': {'S': 'a'}}\n", PYTHON),
        (b"\xff\xfe\0\0{\0\0\0", UTF32),
        (b"\0\0\xfe\xff\0\0\0{", UTF32),
        (b"\xff\xfe{\0", UTF16),
        (&utf16("{\"pk\":{\"S\":\"a\"}}"), UTF16),
        (&utf16_be("[{\"pk\""), UTF16),
    ] {
        assert_eq!(of_text(text), Some(shape), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_may_be_a_backup_has_no_shape() {
    for text in [
        r#"{"pk":{"s":"a"},"v":"x"}"#,
        r#"{"Item":{"pk":{"S":"a"},"v":{"S":"x"}}}"#,
        r#"{"Metadata":{},"Keys":null,"NewImage":{"pk":{"S":"a"}}}"#,
        r#"{"Items":{"s":"a"},"RequestItems":{"m":{}}}"#,
        r#"{"Table":{"S":"a"},"Responses":{"l":[]}}"#,
        r#"{"pk":{"b":1},"x":{}}"#,
        "{\"pk\":{\"s\":\"a\"}}\n{\"pk\":\n",
        "$ion_1_0 {Item:{a:1.,b:2.}}",
        "{Item:{a:1.,b:2.}}",
        "[a, b]\u{3}{\"s\":\"x\"}",
        "a,b\u{3}{\"s\":\"x\"}",
        "garbage",
        "{\"secret\":\n",
        "",
        " \n",
    ] {
        assert_eq!(of_text(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn what_is_cut_off_anywhere_is_no_trouble() {
    let texts = [
        r#"{"Count": -1.5e3, "a\"b": [{"x": "\\"}, []], "Items": [{"pk": {"S": "a"}}]}"#,
        "{\"a\":}}]],\"b\":tru",
        "{\"\\",
    ];
    for text in texts {
        for end in 0..=text.len() {
            let _ = of_text(&text.as_bytes()[..end]);
        }
    }
}
