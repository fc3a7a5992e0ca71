//! Hadoop's configuration: its XML files over the few of its defaults that matter here (core).

mod load;
mod questions;
#[cfg(test)]
mod tests;
mod xml;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use load::load;
pub(crate) use questions::DefaultFs;

/// How many `${name}` of one value are replaced; whoever nests more means a circle
/// (`MAX_SUBST` of `org.apache.hadoop.conf.Configuration`).
const MAX_SUBSTITUTIONS: usize = 20;

/// The files in the order in which a later one overrides an earlier one, as `JobConf` adds them.
pub(crate) const FILES: [&str; 4] = ["core-site.xml", "mapred-site.xml", "yarn-site.xml", "hdfs-site.xml"];

/// Hadoop's own defaults for what is asked here: core-default.xml, mapred-default.xml,
/// yarn-default.xml and hdfs-default.xml of 3.4 (of older ones where they are the same).
const DEFAULTS: [(&str, &str); 15] = [
    ("fs.defaultFS", "file:///"),
    ("hadoop.security.authentication", "simple"),
    ("mapreduce.framework.name", "local"),
    ("mapreduce.job.queuename", "default"),
    ("mapreduce.jobhistory.webapp.address", "0.0.0.0:19888"),
    ("mapreduce.jobhistory.http.policy", "HTTP_ONLY"),
    ("yarn.app.mapreduce.am.resource.mb", "1536"),
    ("yarn.resourcemanager.hostname", "0.0.0.0"),
    ("yarn.resourcemanager.ha.enabled", "false"),
    ("yarn.http.policy", "HTTP_ONLY"),
    ("yarn.scheduler.minimum-allocation-mb", "1024"),
    ("yarn.scheduler.maximum-allocation-mb", "8192"),
    ("yarn.scheduler.increment-allocation-mb", "1024"),
    ("dfs.webhdfs.enabled", "true"),
    ("dfs.http.policy", "HTTP_ONLY"),
];

/// What a value may refer to other than the configuration itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// Java's `user.name`.
    pub(crate) user: String,
    /// The environment, for `${env.NAME}`.
    pub(crate) env: BTreeMap<String, String>,
}

/// The text of one configuration file.
pub(crate) struct ConfFile<'a> {
    /// For messages.
    pub(crate) name: &'a str,
    /// XML.
    pub(crate) text: &'a str,
}

/// Properties by name.
#[derive(Clone, Debug)]
pub(crate) struct Conf {
    values: BTreeMap<String, String>,
    /// Names that a file set, rather than a default.
    set: BTreeSet<String>,
    surroundings: Surroundings,
}

impl Conf {
    /// Reads the files in their order over the defaults. A property that an earlier file made
    /// `<final>` keeps that value.
    ///
    /// # Errors
    /// One line that names the file and what is wrong with its XML.
    pub(crate) fn new(files: &[ConfFile<'_>], surroundings: Surroundings) -> Result<Self, String> {
        let values = DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut conf = Self { values: values.into(), set: BTreeSet::new(), surroundings };
        let mut finals = BTreeSet::new();
        for file in files {
            for property in xml::properties(file.text).map_err(|why| format!("{}: {why}", file.name))? {
                if finals.contains(&property.name) {
                    continue;
                }
                if property.is_final {
                    finals.insert(property.name.clone());
                }
                conf.set.insert(property.name.clone());
                conf.values.insert(property.name, property.value);
            }
        }
        Ok(conf)
    }

    /// The value of a property, with its variables replaced and without blanks around it; nothing if it
    /// is not set or empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.substituted(self.values.get(name)?);
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Whether a file sets the property.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// The property as a switch; anything but `true` is off.
    fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The items of a comma-separated value.
    fn list(&self, name: &str) -> Vec<String> {
        let value = self.get(name).unwrap_or_default();
        value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Replaces innermost variables first, as Hadoop does; at one that is unknown it stops.
    fn substituted(&self, value: &str) -> String {
        let mut value = value.to_owned();
        for _ in 0..MAX_SUBSTITUTIONS {
            let Some((start, end)) = variable(&value) else { break };
            let Some(replacement) = self.variable(&value[start + 2..end]) else { break };
            value.replace_range(start..=end, &replacement);
        }
        value
    }

    fn variable(&self, name: &str) -> Option<String> {
        let Some(name) = name.strip_prefix("env.") else {
            let user = (name == "user.name").then(|| self.surroundings.user.clone());
            return user.or_else(|| self.values.get(name).cloned());
        };
        let env = |name: &str| self.surroundings.env.get(name).cloned();
        // `${env.NAME:-default}` also replaces an empty value, `${env.NAME-default}` only a missing one.
        match name.split_once('-') {
            None => env(name),
            Some((name, default)) => Some(match name.strip_suffix(':') {
                Some(name) => env(name).filter(|value| !value.is_empty()),
                None => env(name),
            })
            .map(|value| value.unwrap_or_else(|| default.to_owned())),
        }
    }
}

/// Where the first `${…}` that has no other in it begins and where its brace closes.
fn variable(value: &str) -> Option<(usize, usize)> {
    let mut open = None;
    for (at, character) in value.char_indices() {
        match character {
            '$' if value[at..].starts_with("${") => open = Some(at),
            '}' if open.is_some() => return open.map(|open| (open, at)),
            _ => {}
        }
    }
    None
}
