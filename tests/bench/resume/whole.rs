//! Whether a backup that is too large for memory is complete.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;
use tests_support::item_index;

/// The key of a line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    pk: Text<'a>,
    #[serde(borrow)]
    sk: Number<'a>,
}

#[derive(Deserialize)]
struct Text<'a> {
    s: &'a str,
}

#[derive(Deserialize)]
struct Number<'a> {
    n: &'a str,
}

/// Makes sure that items `0` to `items - 1` of the fake are in the files that the manifest lists, each once.
pub(crate) fn holds_each_item_once(folder: &Path, items: u64) -> anyhow::Result<()> {
    ensure!(folder.join("_SUCCESS").is_file(), "there is no _SUCCESS");
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("manifest"))?)?;
    let mut seen = vec![false; usize::try_from(items)?];
    let mut line = String::new();
    for entry in manifest["entries"].as_array().context("no entries")? {
        let name = entry["url"].as_str().and_then(|url| url.rsplit('/').next()).context("no url")?;
        let mut file = BufReader::with_capacity(1 << 20, File::open(folder.join(name))?);
        while file.read_line(&mut line)? > 0 {
            let Line { pk, sk } = serde_json::from_str(&line).with_context(|| line.clone())?;
            let index = item_index(pk.s, sk.n).with_context(|| format!("not an item of the fake: {line}"))?;
            let seen = seen.get_mut(usize::try_from(index)?).context("an item too many")?;
            ensure!(!std::mem::replace(seen, true), "twice: {line}");
            line.clear();
        }
    }
    let missing = seen.iter().filter(|&&seen| !seen).count();
    ensure!(missing == 0, "{missing} items are missing");
    Ok(())
}
