//! Backups of several files and several upload parts, and when they become visible.

use super::exported::{BUCKET, Exported, Place, STORE, pieces};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use tests_support::command::{Tablehaul, finish};
use tests_support::{DemoDynamo, DynamoDb, Fake, backup, corpus, emr};

#[test]
fn a_large_table_comes_out_in_several_files_of_several_upload_parts() {
    let fake = Fake::start(["--table", "Forum:items=120000,item-bytes=500"]);
    let args = ["--workers", "2", "--segments", "8"];
    let exported = Exported::run(&fake.endpoint(), "Forum", Place::S3, &args);
    backup::holds_each_item_once(&exported.folder, 120_000);
    let num_parts: Vec<u32> = exported.names().iter().map(|name| exported.num_parts(name)).collect();
    assert!(num_parts.len() >= 2, "{num_parts:?}");
    assert!(num_parts.iter().all(|&parts| parts >= 2), "{num_parts:?}");
}

/// A part is 8 MiB as stored, so this takes items that can't be compressed; the members are what lets a
/// part be thrown away when its worker is lost.
#[test]
fn each_upload_part_is_a_gzip_member_or_a_zstd_frame() {
    let dynoxide = DemoDynamo::start([""; 0]);
    let server = DynamoDb::at(&dynoxide.endpoint());
    server.create_table("Noise", &corpus::KEY);
    for number in 0..60 {
        let bytes = BASE64_STANDARD.encode(corpus::noise(number, 300_000));
        let item = json!({"pk": {"S": "noise"}, "sk": {"N": number.to_string()}, "b": {"B": bytes}});
        server.put("Noise", &item).unwrap();
    }
    let items = server.items("Noise");
    for compression in ["gzip", "zstd"] {
        let args = ["--workers", "1", "--compress", compression];
        let exported = Exported::run(&dynoxide.endpoint(), "Noise", Place::S3, &args);
        exported.holds(&items, &corpus::KEY);
        for name in exported.names() {
            let num_parts = exported.num_parts(&name);
            assert!(num_parts >= 2, "{name} has {num_parts} parts");
            assert_eq!(pieces(&exported.folder.join(&name)).len(), num_parts as usize, "{name}");
        }
    }
}

#[test]
fn nothing_in_s3_looks_complete_before_it_is() {
    let fake = Fake::start(["--table", "Forum:items=30000"]);
    let endpoint = (fake.endpoint(), STORE.endpoint());
    STORE.create_bucket("watched");
    let command = Tablehaul::new(["export", "Forum", "s3://watched/backup", "--read-units", "300"]);
    let command = command.args(["--dynamodb-endpoint", &endpoint.0, "--s3-endpoint", &endpoint.1]);
    let mut child = command.start();
    let mut listings = Vec::new();
    let mut num_with_uploads = 0;
    while child.try_wait().unwrap().is_none() {
        let listing = STORE.objects("watched");
        num_with_uploads += u32::from(!STORE.uploads("watched").is_empty());
        // At least: one item was read to test the permission.
        let is_read = fake.table_stats("Forum").items >= 30_000;
        listings.push((listing, is_read));
        std::thread::sleep(Duration::from_millis(5));
    }
    finish(child).succeeded();
    let last = STORE.objects("watched");
    let has = |listing: &[String], name: &str| listing.contains(&format!("backup/{name}"));
    let is_data = |key: &&String| !key.contains("/_") && !key.ends_with("/manifest");
    let num_data = |listing: &[String]| listing.iter().filter(is_data).count();
    assert!(num_data(&last) > 0 && has(&last, "_SUCCESS") && has(&last, "manifest"), "{last:?}");
    for of_job in ["/_tablehaul/journal", "/_tablehaul/status.json"] {
        assert!(!last.iter().any(|key| key.contains(of_job)), "{last:?}");
    }
    assert!(has(&last, "_tablehaul/history.json") && has(&last, "_tablehaul/report.html"), "{last:?}");
    assert_eq!(STORE.uploads("watched"), [""; 0]);
    assert!(num_with_uploads > 5, "of {} looks, {num_with_uploads} at work", listings.len());
    for (listing, is_read) in &listings {
        assert!(num_data(listing) == 0 || *is_read, "data before the table is read: {listing:?}");
        if has(listing, "manifest") {
            assert_eq!(num_data(listing), num_data(&last), "{listing:?}");
            assert!(has(listing, "_tablehaul/export.json"), "{listing:?}");
        }
        if has(listing, "_SUCCESS") {
            // Only the journal and the status of the running job may still be there, and what tells of it may be
            // missing.
            let of_job = ["/journal/", "/status.json", "/history.json", "/report.html"];
            let is_of_job = |key: &str| of_job.iter().any(|name| key.contains(&format!("/_tablehaul{name}")));
            let of_backup = |keys: &[String]| -> Vec<String> {
                keys.iter().filter(|key| !is_of_job(key)).cloned().collect()
            };
            assert_eq!(of_backup(listing), of_backup(&last));
        } else {
            assert!(!has(listing, "_tablehaul/report.html"), "a report before the end: {listing:?}");
        }
    }
    assert!(STORE.objects(BUCKET).iter().all(|key| !key.starts_with("backup/")));
}

#[test]
fn every_city_of_the_world_comes_out_once() {
    let dynoxide = DemoDynamo::start(["--cities", "Cities", "--billing", "on-demand"]);
    let exported = Exported::run(&dynoxide.endpoint(), "Cities", Place::Folder, &["--compress", "zstd"]);
    let mut times = vec![0; 144_563];
    for line in backup::lines(&exported.folder) {
        let item: Value = emr::item(&line);
        let number: usize = item["number"]["N"].as_str().unwrap().parse().unwrap();
        times[number - 1] += 1;
        let place = item["place"]["S"].as_str().unwrap();
        assert_eq!(place, format!("{}#{number:06}", item["name"]["S"].as_str().unwrap()));
    }
    assert!(times.iter().all(|&times| times == 1));
}
