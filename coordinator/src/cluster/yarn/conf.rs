//! Hadoop's configuration: its XML files, on top of the defaults that matter here.

mod load;
mod questions;
#[cfg(test)]
mod tests;
mod xml;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

pub(crate) use load::load;
pub(crate) use questions::DefaultFs;
use xml::XmlError;

/// The most `${name}` variables replaced in one value. A value with more is circular (`MAX_SUBST` of
/// `org.apache.hadoop.conf.Configuration`).
const MAX_SUBSTITUTIONS: usize = 20;

/// The files, in the order in which later ones override earlier ones: that of `JobConf`.
pub(crate) const CONFIGURATION_FILES: [&str; 4] =
    ["core-site.xml", "mapred-site.xml", "yarn-site.xml", "hdfs-site.xml"];

/// Hadoop's own defaults of the properties used here: core-default.xml, mapred-default.xml, yarn-default.xml and
/// hdfs-default.xml of 3.4, and of older versions where they are the same.
const DEFAULTS: [(&str, &str); 16] = [
    ("fs.defaultFS", "file:///"),
    ("hadoop.security.authentication", "simple"),
    ("mapreduce.framework.name", "local"),
    ("mapreduce.job.queuename", "default"),
    ("mapreduce.jobhistory.webapp.address", "0.0.0.0:19888"),
    ("mapreduce.jobhistory.webapp.https.address", "0.0.0.0:19890"),
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

/// A configuration that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfError {
    #[error("{file}: {error}")]
    Unreadable {
        file: String,
        #[source]
        error: io::Error,
    },
    #[error("{file}: {error}")]
    Xml {
        file: String,
        #[source]
        error: XmlError,
    },
    #[error("{folder} is not a Hadoop configuration: it has none of {}", CONFIGURATION_FILES.join(", "))]
    Missing { folder: String },
}

/// What values may refer to besides other properties.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// Java's `user.name`.
    pub(crate) user: String,
    /// The environment, for `${env.NAME}`.
    pub(crate) env: BTreeMap<String, String>,
}

/// The text of one configuration file.
pub(crate) struct ConfFile<'a> {
    /// Its name, for messages.
    pub(crate) name: &'a str,
    /// Its XML.
    pub(crate) text: &'a str,
}

/// Properties by name.
#[derive(Clone, Debug)]
pub(crate) struct Conf {
    values: BTreeMap<String, String>,
    /// Names of properties that a file sets, as opposed to defaults.
    set: BTreeSet<String>,
    surroundings: Surroundings,
}

impl Conf {
    /// Reads the files in their order, on top of the defaults. A property that an earlier file declares `<final>` keeps
    /// its value.
    ///
    /// # Errors
    /// Fails if a file is not XML, or not such a file.
    pub(crate) fn new(files: &[ConfFile<'_>], surroundings: Surroundings) -> Result<Self, ConfError> {
        let values = DEFAULTS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut conf = Self { values: values.into(), set: BTreeSet::new(), surroundings };
        let mut finals = BTreeSet::new();
        for file in files {
            let of_file = |error| ConfError::Xml { file: file.name.to_owned(), error };
            for property in xml::properties(file.text).map_err(of_file)? {
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

    /// The value of a property, with its variables replaced and surrounding blanks removed. `None` if it is not set or
    /// empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = self.substituted(self.values.get(name)?);
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Whether a file sets the property.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// The property as a boolean. Anything but `true` is false.
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

    /// Replaces innermost variables first, and stops at an unknown one, as Hadoop does.
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

/// The start of the first `${…}` that contains no other one, and the position of its closing brace.
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
