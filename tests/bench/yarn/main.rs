//! The cost of an export on a real cluster: `scripts/bench yarn`. Hadoop with two nodes, versitygw as S3, and a fake
//! `DynamoDB` that counts, all on this machine. Prints tables, and fails only if a bar is not met.

mod budget;
mod cost;
mod processes;
mod run;
mod start;

use clap::{Parser, ValueEnum};
use run::Setting;

/// Measures exports on a Hadoop cluster
#[derive(Parser)]
struct Options {
    /// Only this; repeat for several
    #[arg(long = "only", value_enum)]
    only: Vec<Part>,
    /// Rounds of the time to the first page
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Items in millions, for what they cost
    #[arg(long, default_value_t = 1)]
    million: u64,
    /// Seconds for which the budget is measured
    #[arg(long, default_value_t = 60)]
    secs: u64,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Time to the first page
    Start,
    /// Processor time and memory
    Cost,
    /// A budget, also while a node is lost
    Budget,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let is_wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let setting = Setting::start();
    if is_wanted(Part::Start) {
        start::measure(&setting, options.rounds)?;
        println!();
    }
    if is_wanted(Part::Cost) {
        cost::measure(&setting, options.million)?;
        println!();
    }
    if is_wanted(Part::Budget) {
        budget::measure(&setting, options.secs)?;
    }
    Ok(())
}

fn is_met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

/// NaN if there are none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
