//! The baselines of the benches: what a straightforward program would do.
//!
//! - `bench-typed export ENDPOINT TABLE SEGMENTS FILE`: the same Scan through the typed SDK client, each
//!   item as values and then as a `serde_json` tree, lines to a file.
//! - `bench-typed import ENDPOINT TABLE FOLDER`: the way back; see `typed/import.rs`.
//!
//! Both print the number of items.

#[path = "typed/import.rs"]
mod import;

use std::{fs::File, io::Write, path::PathBuf};

use anyhow::{Context, bail};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::AttributeValue,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let items = match arguments[..] {
        ["export", endpoint, table, segments, file] => {
            let segments: i32 = segments.parse().context("SEGMENTS")?;
            runtime.block_on(export(&client(endpoint), table, segments, PathBuf::from(file)))?
        }
        ["import", endpoint, table, folder] => {
            runtime.block_on(import::import(&client(endpoint), table, PathBuf::from(folder)))?
        }
        _ => bail!("usage: bench-typed export ENDPOINT TABLE SEGMENTS FILE | import ENDPOINT TABLE FOLDER"),
    };
    println!("{items}");
    Ok(())
}

fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("testkey", "testsecret", None, None, "bench"))
        .build();
    Client::from_conf(config)
}

async fn export(client: &Client, table: &str, segments: i32, file: PathBuf) -> anyhow::Result<u64> {
    let (lines, mut written) = tokio::sync::mpsc::channel::<Vec<u8>>(4);
    let writer = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        let mut file = File::create(file)?;
        while let Some(lines) = written.blocking_recv() {
            file.write_all(&lines)?;
        }
        Ok(())
    });
    let mut streams = JoinSet::new();
    for segment in 0..segments {
        let (client, lines, table) = (client.clone(), lines.clone(), table.to_owned());
        streams.spawn(async move { scan(&client, &table, segment, segments, &lines).await });
    }
    drop(lines);
    let mut items = 0;
    while let Some(scanned) = streams.join_next().await {
        items += scanned??;
    }
    writer.await??;
    Ok(items)
}

async fn scan(
    client: &Client,
    table: &str,
    segment: i32,
    segments: i32,
    lines: &tokio::sync::mpsc::Sender<Vec<u8>>,
) -> anyhow::Result<u64> {
    let mut items = 0;
    let mut start = None;
    loop {
        let request = client.scan().table_name(table).segment(segment).total_segments(segments);
        let page = request.set_exclusive_start_key(start).send().await?;
        let mut text = Vec::with_capacity(1024 * 1024);
        for item in page.items() {
            let line: Map<String, Value> =
                item.iter().map(|(name, value)| (name.clone(), encoded(value))).collect();
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            items += 1;
        }
        lines.send(text).await.context("the writer stopped")?;
        match page.last_evaluated_key {
            Some(key) => start = Some(key),
            None => return Ok(items),
        }
    }
}

fn encoded(value: &AttributeValue) -> Value {
    let binary = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    match value {
        AttributeValue::S(text) => json!({ "s": text }),
        AttributeValue::N(number) => json!({ "n": number }),
        AttributeValue::B(blob) => json!({ "b": binary(blob.as_ref()) }),
        AttributeValue::Bool(is) => json!({ "bOOL": is }),
        AttributeValue::Null(is) => json!({ "nULL": is }),
        AttributeValue::Ss(texts) => json!({ "sS": texts }),
        AttributeValue::Ns(numbers) => json!({ "nS": numbers }),
        AttributeValue::Bs(blobs) => {
            json!({ "bS": blobs.iter().map(|blob| binary(blob.as_ref())).collect::<Vec<_>>() })
        }
        AttributeValue::L(values) => json!({ "l": values.iter().map(encoded).collect::<Vec<_>>() }),
        AttributeValue::M(map) => {
            let map: Map<String, Value> =
                map.iter().map(|(name, value)| (name.clone(), encoded(value))).collect();
            json!({ "m": map })
        }
        _ => Value::Null,
    }
}
