//! The baseline of the import bench: lines as `serde_json` trees, each item as values of the typed SDK client,
//! 25 in a `BatchWriteItem`.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
};

use anyhow::{Context, bail};
use aws_sdk_dynamodb::{
    Client,
    primitives::Blob,
    types::{AttributeValue, PutRequest, ReturnConsumedCapacity, WriteRequest},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};
use tokio::{sync::mpsc, task::JoinSet};

const BATCH_ITEMS: usize = 25;
const IN_FLIGHT: usize = 16;

/// Writes all items of the plain data files of `folder` into `table`; returns how many.
pub(crate) async fn import(client: &Client, table: &str, folder: PathBuf) -> anyhow::Result<u64> {
    let (batches, mut read) = mpsc::channel(IN_FLIGHT);
    let reader = tokio::task::spawn_blocking(move || read_all(folder, &batches));
    let mut running = JoinSet::new();
    let mut items = 0;
    while let Some(lines) = read.recv().await {
        if running.len() == IN_FLIGHT
            && let Some(written) = running.join_next().await
        {
            items += written??;
        }
        let (client, table) = (client.clone(), table.to_owned());
        running.spawn(async move { write(&client, table, lines).await });
    }
    while let Some(written) = running.join_next().await {
        items += written??;
    }
    reader.await??;
    Ok(items)
}

/// Sends the lines of all data files, as many as go into one batch at a time.
fn read_all(folder: PathBuf, batches: &mpsc::Sender<Vec<String>>) -> anyhow::Result<()> {
    let mut batch = Vec::with_capacity(BATCH_ITEMS);
    for file in fs::read_dir(folder)? {
        let file = file?;
        if ["manifest", "_SUCCESS"].iter().any(|name| file.file_name() == *name) {
            continue;
        }
        for line in BufReader::new(File::open(file.path())?).lines() {
            batch.push(line?);
            if batch.len() == BATCH_ITEMS {
                let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ITEMS));
                batches.blocking_send(full).context("the writers stopped")?;
            }
        }
    }
    if !batch.is_empty() {
        batches.blocking_send(batch).context("the writers stopped")?;
    }
    Ok(())
}

async fn write(client: &Client, table: String, lines: Vec<String>) -> anyhow::Result<u64> {
    let mut requests = Vec::with_capacity(lines.len());
    for line in &lines {
        let item: Map<String, Value> = serde_json::from_str(line)?;
        let put = PutRequest::builder().set_item(Some(attributes(&item)?)).build()?;
        requests.push(WriteRequest::builder().put_request(put).build());
    }
    let items = requests.len() as u64;
    let request = client.batch_write_item().request_items(table, requests);
    let reply = request.return_consumed_capacity(ReturnConsumedCapacity::Indexes).send().await?;
    if reply.unprocessed_items().is_some_and(|unprocessed| !unprocessed.is_empty()) {
        bail!("the server did not take all items");
    }
    Ok(items)
}

fn attributes(map: &Map<String, Value>) -> anyhow::Result<HashMap<String, AttributeValue>> {
    map.iter().map(|(name, value)| Ok((name.clone(), decoded(value)?))).collect()
}

fn decoded(value: &Value) -> anyhow::Result<AttributeValue> {
    let (kind, inner) = value.as_object().and_then(|typed| typed.iter().next()).context("no type")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    let blob = |value: &Value| Ok(Blob::new(BASE64_STANDARD.decode(text(value)?)?));
    let list = || inner.as_array().context("no list");
    Ok(match kind.as_str() {
        "s" => AttributeValue::S(text(inner)?),
        "n" => AttributeValue::N(text(inner)?),
        "b" => AttributeValue::B(blob(inner)?),
        "bOOL" => AttributeValue::Bool(inner.as_bool().context("no Boolean")?),
        "nULL" => AttributeValue::Null(true),
        "sS" => AttributeValue::Ss(list()?.iter().map(text).collect::<anyhow::Result<_>>()?),
        "nS" => AttributeValue::Ns(list()?.iter().map(text).collect::<anyhow::Result<_>>()?),
        "bS" => AttributeValue::Bs(list()?.iter().map(blob).collect::<anyhow::Result<_>>()?),
        "l" => AttributeValue::L(list()?.iter().map(decoded).collect::<anyhow::Result<_>>()?),
        "m" => AttributeValue::M(attributes(inner.as_object().context("no map")?)?),
        _ => bail!("an unknown type"),
    })
}
