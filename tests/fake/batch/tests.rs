use super::*;

const SHAPE: ItemShape = ItemShape { padded_bytes: None };

fn generated(index: u64) -> String {
    let mut json = Vec::new();
    SHAPE.write_json(index, &mut json);
    String::from_utf8(json).expect("text")
}

fn batch(requests: &[String]) -> String {
    let requests = requests.join(",");
    format!(r#"{{"RequestItems":{{"Forum":[{requests}]}},"ReturnConsumedCapacity":"INDEXES"}}"#)
}

fn put(item: &str) -> String {
    format!(r#"{{"PutRequest":{{"Item":{item}}}}}"#)
}

fn writes(requests: &[String]) -> Result<Vec<Write>, ApiError> {
    let body = batch(requests);
    let batch = Batch::parse(body.as_bytes())?;
    assert_eq!((batch.table.as_str(), batch.report), ("Forum", Report::Indexes));
    batch.writes(SHAPE)
}

#[track_caller]
fn assert_refused(requests: &[String], why: &str) {
    let error = writes(requests).expect_err("nothing is written");
    assert!(error.kind.ends_with("#ValidationException"), "{error:?}");
    assert!(error.message.contains(why), "{error:?}");
}

#[test]
fn items_are_known_by_their_keys_and_compared_with_the_generators() {
    let is_altered = |item: &str| match writes(&[put(item)]).expect("a good item")[..] {
        [Write { index: Some(8), kind: WriteKind::Put { is_altered, item_bytes }, .. }] => {
            assert!((200..300).contains(&item_bytes), "{item_bytes}");
            is_altered
        }
        ref other => panic!("{other:?}"),
    };
    let item = generated(8);
    assert!(item.contains(r#""N":"56""#) && item.contains(r#""NS":["1","2.5","300"]"#));
    assert!(!is_altered(&item));
    assert!(!is_altered(&item.replace(r#""N":"56""#, r#""N":"5.6E+1""#)), "numbers go by their value");
    assert!(!is_altered(&item.replace(r#"["1","2.5","300"]"#, r#"["1.0","2.50","3E2"]"#)));
    let tags = r#","tags":{"SS":["alpha","beta","gamma"]}"#;
    let moved = format!("{}{tags}}}", item.replace(tags, "").strip_suffix('}').expect("an object"));
    assert!(!is_altered(&moved), "the order of attributes is no difference");
    assert!(is_altered(&item.replace(tags, "")));
    assert!(is_altered(&item.replace("alpha", "alphb")));
    assert!(is_altered(&item.replace(r#""2.5""#, r#""2.6""#)));
    assert!(is_altered(&item.replace(r#"{"S":"Name"#, r#"{"S":" Name"#)));
    assert!(is_altered(&item.replace(r#""active""#, r#""Active""#)));
}

#[test]
fn foreign_keys_and_deletes_are_told_apart() {
    let foreign = r#"{"pk":{"S":"customer#00000001"},"sk":{"N":"8"}}"#;
    let delete = r#"{"DeleteRequest":{"Key":{"sk":{"N":"7"},"pk":{"S":"customer#00000001"}}}}"#;
    let both = writes(&[put(foreign), delete.to_owned()]).expect("good requests");
    let kinds = (both[0].kind, both[1].kind);
    assert!(matches!(kinds, (WriteKind::Put { is_altered: false, .. }, WriteKind::Delete)));
    assert_eq!((both[0].index, both[1].index), (None, Some(1)));
}

#[test]
fn one_bad_item_spoils_the_whole_batch() {
    let good = put(&generated(1));
    let with = |bad: &str| [good.clone(), bad.to_owned()];
    let poisoned = generated(2).replace(r#"{"pk""#, r#"{"poison":{"S":""},"pk""#);
    assert_refused(&with(&put(&poisoned)), "poisoned");
    assert_refused(&with(&put(r#"{"pk":{"S":"x"}}"#)), "Missing the key sk");
    assert_refused(&with(&put(r#"{"pk":{"N":"1"},"sk":{"N":"1"}}"#)), "Type mismatch for key pk");
    assert_refused(&with(&put(r#"{"pk":{"S":"x"},"sk":{"N":"one"}}"#)), "numeric");
    assert_refused(&with(&put(r#"{"pk":{"S":""},"sk":{"N":"1"}}"#)), "empty string");
    assert_refused(&with(r#"{"DeleteRequest":{"Key":{"pk":{"S":"x"}}}}"#), "does not match the schema");
    let of_size = |text_bytes: u64| {
        let text = "x".repeat(usize::try_from(text_bytes).expect("it fits"));
        put(&format!(r#"{{"pk":{{"S":"p"}},"sk":{{"N":"0"}},"t":{{"S":"{text}"}}}}"#))
    };
    let largest = MAX_ITEM_BYTES - 7; // pk p sk 0 t
    assert!(writes(&[of_size(largest)]).is_ok());
    assert_refused(&with(&of_size(largest + 1)), "maximum allowed size");
}

#[test]
fn batches_with_a_key_twice_or_of_a_wrong_length_are_refused() {
    let puts: Vec<String> = (0..26).map(|index| put(&generated(index))).collect();
    assert_eq!(writes(&puts[..25]).expect("a full batch").len(), 25);
    assert_refused(&puts, "Too many items");
    assert_refused(&[], "cannot be null or empty");
    let spelt_otherwise = generated(1).replace(r#""N":"7""#, r#""N":"7.0""#);
    assert_refused(&[put(&generated(1)), put(&spelt_otherwise)], "contains duplicates");
}

#[test]
fn what_is_not_a_batch_is_not_taken_for_one() {
    for bad in [
        "{",
        r#"{"RequestItems":{"A":[]},"Colour":1}"#,
        r#"{"RequestItems":{"A":[{"PutRequest":{"Item":{"pk":{"S":"a","N":"1"}}}}]}}"#,
        r#"{"RequestItems":{"A":[{"PutRequest":{"Item":{}},"DeleteRequest":{"Key":{}}}]}}"#,
        r#"{"RequestItems":{"A":[{"PatchRequest":{"Item":{}}}]}}"#,
        r#"{"RequestItems":{"A":[1],"B":[1]}}"#,
    ] {
        let parsed = Batch::parse(bad.as_bytes()).and_then(|batch| batch.writes(SHAPE));
        assert!(parsed.is_err(), "{bad}");
    }
}

#[test]
fn a_put_may_have_the_condition_that_its_key_is_absent_and_no_other() {
    let item = generated(3);
    let parse = |more: &str| {
        let body = format!(r#"{{"TableName":"Forum","Item":{item}{more}}}"#);
        Put::parse(body.as_bytes()).map(|put| (put.if_absent, put.write(SHAPE).expect("a good item").index))
    };
    let names = r##""ExpressionAttributeNames":{"#k":"pk"}"##;
    assert_eq!(parse("").expect("good"), (false, Some(3)));
    let condition = r#","ConditionExpression":"attribute_not_exists(#k)","#;
    assert_eq!(parse(&format!("{condition}{names}")).expect("good"), (true, Some(3)));
    let plain = r#","ConditionExpression":"attribute_not_exists( sk )""#;
    assert_eq!(parse(plain).expect("good"), (true, Some(3)));
    for bad in [
        format!(",{names}"),
        format!("{plain},{names}"),
        r#","ConditionExpression":"attribute_not_exists(name)""#.to_owned(),
        r#","ConditionExpression":"attribute_exists(pk)""#.to_owned(),
    ] {
        assert!(parse(&bad).is_err(), "{bad}");
    }
}
