//! One `--table`: its text as settings. The help in `options` explains them.

use std::str::FromStr;

/// One `--table`.
#[derive(Clone, Debug)]
pub(crate) struct TableSpec {
    pub(crate) name: String,
    pub(crate) content: ContentSpec,
    pub(crate) item_bytes: Option<u64>,
    pub(crate) rcu: u64,
    pub(crate) wcu: Option<u64>,
    pub(crate) burst_seconds: f64,
    pub(crate) max_read: Option<u64>,
    pub(crate) max_write: Option<u64>,
    pub(crate) warm_read: Option<u64>,
    pub(crate) warm_write: Option<u64>,
    pub(crate) gsis: Vec<GsiSpec>,
    pub(crate) status: String,
    pub(crate) item_count: Option<u64>,
    pub(crate) table_bytes: Option<u64>,
}

/// A global secondary index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GsiSpec {
    pub(crate) name: String,
    /// Its write units a second; by default those of the table.
    pub(crate) wcu: Option<u64>,
}

/// The items that a table has, or that it accepts items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ContentSpec {
    Exact { num_items: u64, skew: Option<f64>, empty_tail: bool },
    Replay { num_pages: u64, page_items: u64 },
    Sink(SinkKind),
}

/// How a table accepts items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SinkKind {
    /// Every item is checked, and capacity is enforced.
    Exact,
    /// Items are only counted.
    Fast,
}

impl TableSpec {
    /// Whether it is on demand. For a table to read from its read capacity decides, otherwise its write
    /// capacity says.
    pub(crate) fn is_on_demand(&self) -> bool {
        match self.content {
            ContentSpec::Sink(_) => self.wcu.unwrap_or(0) == 0,
            ContentSpec::Exact { .. } | ContentSpec::Replay { .. } => self.rcu == 0,
        }
    }
}

/// A `TableSpec` while its settings are read.
struct Settings {
    spec: TableSpec,
    num_items: Option<u64>,
    num_pages: Option<u64>,
    sink: Option<SinkKind>,
    page_items: u64,
    skew: Option<f64>,
    empty_tail: u8,
}

impl Settings {
    fn new(name: &str) -> Self {
        let spec = TableSpec {
            name: name.to_owned(),
            content: ContentSpec::Sink(SinkKind::Exact),
            item_bytes: None,
            rcu: 0,
            wcu: None,
            burst_seconds: 1.0,
            max_read: None,
            max_write: None,
            warm_read: None,
            warm_write: None,
            gsis: Vec::new(),
            status: "ACTIVE".to_owned(),
            item_count: None,
            table_bytes: None,
        };
        let (num_items, num_pages, sink, skew) = (None, None, None, None);
        Self { spec, num_items, num_pages, sink, page_items: 2_000, skew, empty_tail: 0 }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let spec = &mut self.spec;
        match key {
            "items" => self.num_items = Some(parse(key, value)?),
            "pages" => self.num_pages = Some(parse(key, value)?),
            "sink" => self.sink = Some(value.parse()?),
            "page-items" => self.page_items = parse(key, value)?,
            "item-bytes" => spec.item_bytes = Some(parse(key, value)?),
            "skew" => self.skew = Some(parse(key, value)?),
            "empty-tail" => self.empty_tail = parse(key, value)?,
            "rcu" => spec.rcu = parse(key, value)?,
            "wcu" => spec.wcu = Some(parse(key, value)?),
            "burst-seconds" => spec.burst_seconds = parse(key, value)?,
            "max-read" => spec.max_read = Some(parse(key, value)?),
            "max-write" => spec.max_write = Some(parse(key, value)?),
            "warm-read" => spec.warm_read = Some(parse(key, value)?),
            "warm-write" => spec.warm_write = Some(parse(key, value)?),
            "gsi" => spec.gsis.push(value.parse()?),
            "status" => value.clone_into(&mut spec.status),
            "item-count" => spec.item_count = Some(parse(key, value)?),
            "table-bytes" => spec.table_bytes = Some(parse(key, value)?),
            _ => return Err(format!("there is no table setting `{key}`")),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<TableSpec, String> {
        let Self { skew, page_items, .. } = self;
        if skew.is_some_and(|skew: f64| !(0.0..=1.0).contains(&skew)) {
            return Err("skew must be from 0 to 1".to_owned());
        }
        self.spec.content = match (self.num_items, self.num_pages, self.sink) {
            (Some(num_items), None, None) => {
                ContentSpec::Exact { num_items, skew, empty_tail: self.empty_tail != 0 }
            }
            (None, Some(num_pages), None) => ContentSpec::Replay { num_pages, page_items },
            (None, None, Some(kind)) => ContentSpec::Sink(kind),
            _ => return Err("a table needs one of items=N, pages=K and sink=1 or fast".to_owned()),
        };
        let spec = &self.spec;
        if self.sink.is_some() && spec.is_on_demand() && spec.gsis.iter().any(|gsi| gsi.wcu.is_some()) {
            return Err("an index has write units only if the table has: wcu=W".to_owned());
        }
        if self.sink == Some(SinkKind::Fast) && !spec.is_on_demand() {
            return Err("a fast sink enforces nothing: leave wcu out".to_owned());
        }
        Ok(self.spec)
    }
}

impl FromStr for TableSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, settings) = text.split_once(':').ok_or("expected NAME:KEY=VALUE,…")?;
        let mut read = Settings::new(name);
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (key, value) =
                setting.split_once('=').ok_or_else(|| format!("`{setting}` is not KEY=VALUE"))?;
            read.set(key, value)?;
        }
        read.finish()
    }
}

impl FromStr for GsiSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, wcu) = match text.split_once('/') {
            None => (text, None),
            Some((name, wcu)) => (name, Some(parse("gsi", wcu)?)),
        };
        Ok(Self { name: name.to_owned(), wcu })
    }
}

impl FromStr for SinkKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "1" => Ok(Self::Exact),
            "fast" => Ok(Self::Fast),
            _ => Err("sink is 1 or fast".to_owned()),
        }
    }
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is no value for {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_items_or_pages_or_takes_them_and_no_unknown_settings() {
        let spec: TableSpec = "Forum:items=5,rcu=100,gsi=a,gsi=b".parse().expect("a good spec");
        assert_eq!((spec.name.as_str(), spec.rcu, spec.gsis.len()), ("Forum", 100, 2));
        for bad in [
            "Forum",
            "Forum:rcu=1",
            "Forum:items=1,pages=1",
            "Forum:items=1,sink=1",
            "Forum:items=x",
            "Forum:items=1,colour=red",
            "Forum:sink=yes",
            "Forum:sink=1,gsi=a/5",
            "Forum:sink=fast,wcu=5",
        ] {
            assert!(bad.parse::<TableSpec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_index_may_have_its_own_capacity() {
        let spec: TableSpec = "Forum:sink=1,wcu=500,gsi=by-name/250,gsi=other".parse().expect("a good spec");
        assert_eq!(spec.content, ContentSpec::Sink(SinkKind::Exact));
        let index = |name: &str, wcu| GsiSpec { name: name.to_owned(), wcu };
        assert_eq!(spec.gsis, [index("by-name", Some(250)), index("other", None)]);
        assert!(!spec.is_on_demand());
    }
}
