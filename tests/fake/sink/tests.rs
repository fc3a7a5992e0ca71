use super::*;
use crate::decimal::Decimal;
use std::time::Duration;
use tests_support::item_key;

fn sink(spec: &str, start: Instant) -> Sink {
    Sink::new(&spec.parse().expect("a good spec"), start)
}

fn write(index: u64, kind: WriteKind) -> Write {
    let (pk, sk) = item_key(index);
    Write { pk, sk: Decimal::parse(&sk).expect("a number"), index: Some(index), kind }
}

fn put(index: u64, item_bytes: u64) -> Write {
    write(index, WriteKind::Put { item_bytes, is_altered: false })
}

fn puts(indexes: std::ops::Range<u64>) -> Vec<Write> {
    indexes.map(|index| put(index, 255)).collect()
}

#[test]
fn what_there_is_no_capacity_for_comes_back_and_an_empty_bucket_throttles() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1,wcu=10,gsi=a/20", start);
    let written = sink.batch(&puts(0..25), &[], start).expect("a full bucket");
    assert_eq!(written.unprocessed, (10..25).collect::<Vec<_>>());
    assert_eq!((written.table_units, written.index_units), (10, 10));
    assert_eq!(sink.batch(&puts(10..25), &[], start).expect_err("an empty one").status, 400);
    let later = start + Duration::from_millis(350);
    let written = sink.batch(&puts(10..25), &[], later).expect("a little of it");
    assert_eq!(written.unprocessed.len(), 11, "3.5 units, the last one on credit");
    let stats = sink.stats();
    assert_eq!((stats.total, stats.distinct, stats.present), (14, 14, 14));
    assert_eq!((stats.unprocessed, stats.throttles, stats.last_millis), (15 + 11, 1, 350));
    assert_eq!(stats.table.units_by_bucket, [10, 0, 0, 4]);
    assert_eq!(stats.table.throttles_by_bucket, [15 + 15, 0, 0, 11]);
    assert_eq!((stats.throttles_after(0.1), stats.throttles_after(0.4)), (11, 0));
    assert!(stats.indexes["a"].throttles_by_bucket.is_empty());
}

#[test]
fn a_large_item_costs_its_kibibytes_on_the_table_and_on_each_index() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1,gsi=a,gsi=b", start);
    let written = sink.batch(&[put(0, 1_025), put(1, 400 * 1_024)], &[], start).expect("on demand");
    assert_eq!((written.table_units, written.index_units), (402, 402));
    let stats = sink.stats();
    assert_eq!((stats.table.units, stats.indexes["a"].units, stats.indexes["b"].units), (402, 402, 402));
}

#[test]
fn items_spared_on_purpose_come_back_and_are_no_throttles() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1,wcu=100", start);
    let written = sink.batch(&puts(0..3), &[true, false, true], start).expect("capacity");
    assert_eq!(written, Written { unprocessed: vec![0, 2], table_units: 1, index_units: 1 });
    let written = sink.batch(&puts(0..3), &[true; 3], start).expect("all of them may be spared");
    assert_eq!(written.unprocessed, [0, 1, 2]);
    let stats = sink.stats();
    assert_eq!((stats.total, stats.unprocessed, stats.throttles), (1, 5, 0));
    assert_eq!(stats.throttles_after(0.0), 0);
}

#[test]
fn a_put_if_absent_keeps_what_is_there_and_costs_the_table_nevertheless() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1,wcu=10,gsi=a/10", start);
    sink.put(&put(5, 3_000), true, start).expect("it is absent");
    let refused = sink.put(&put(5, 3_000), true, start).expect_err("it is there");
    assert!(refused.kind.ends_with("#ConditionalCheckFailedException"), "{refused:?}");
    sink.put(&put(5, 3_000), false, start).expect("without a condition");
    let stats = sink.stats();
    assert_eq!((stats.total, stats.distinct, stats.kept), (2, 1, 1));
    assert_eq!((stats.table.units, stats.indexes["a"].units), (9, 6));
    sink.put(&put(6, 3_000), false, start).expect("one unit is left");
    let refused = sink.put(&put(7, 1), false, start).expect_err("nothing is left");
    assert!(refused.kind.ends_with("#ProvisionedThroughputExceededException"), "{refused:?}");
    assert_eq!(sink.stats().throttles, 1);
}

#[test]
fn a_delete_costs_what_it_finds() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1,item-bytes=2500,gsi=a", start);
    sink.batch(&[put(1, 2_500)], &[], start).expect("on demand");
    let deletes = [write(1, WriteKind::Delete), write(2, WriteKind::Delete)];
    let written = sink.batch(&deletes, &[], start).expect("on demand");
    assert_eq!((written.table_units, written.index_units), (3 + 1, 3));
    let stats = sink.stats();
    assert_eq!((stats.total, stats.deletes, stats.distinct, stats.present), (1, 2, 1, 0));
}

#[test]
fn altered_and_foreign_items_are_counted() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1", start);
    let altered = write(1, WriteKind::Put { item_bytes: 255, is_altered: true });
    let foreign = Write { index: None, ..put(2, 255) };
    sink.batch(&[altered, foreign, put(3, 255)], &[], start).expect("on demand");
    let stats = sink.stats();
    assert_eq!((stats.total, stats.altered, stats.foreign), (3, 1, 1));
    assert_eq!((stats.distinct, stats.present), (2, 3));
    sink.reset();
    assert_eq!(sink.stats(), WriteStats::default());
}

#[test]
fn the_spread_is_that_of_the_order_of_writing() {
    let start = Instant::now();
    let mut sink = sink("T:sink=1", start);
    for batch in 0..40 {
        sink.batch(&puts(batch * 25..batch * 25 + 25), &[], start).expect("on demand");
    }
    let spread = sink.stats().spread_per_mille.expect("a thousand items");
    assert!((63..120).contains(&spread), "{spread}");
}
