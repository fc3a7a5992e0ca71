//! Where Hadoop is on this machine: its command, its configuration and the Streaming jar. The environment and the disk
//! are accessed through [`Machine`].

mod machine;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub(crate) use machine::ThisMachine;

/// Where EMR and the Bigtop packages install the jar.
const JARS: [&str; 2] =
    ["/usr/lib/hadoop-mapreduce/hadoop-streaming.jar", "/usr/lib/hadoop/hadoop-streaming.jar"];

/// Where EMR and the Bigtop packages install the configuration.
const CONF: &str = "/etc/hadoop/conf";

/// What this module needs of the machine.
pub(crate) trait Machine {
    /// An environment variable. `None` if it is empty.
    fn variable(&self, name: &str) -> Option<String>;
    /// Whether the path is an executable file.
    fn is_program(&self, path: &Path) -> bool;
    /// Whether the path is a file.
    fn is_file(&self, path: &Path) -> bool;
    /// Whether the path is a folder.
    fn is_folder(&self, path: &Path) -> bool;
    /// Names of the entries of a folder. Empty if it does not exist.
    fn names(&self, folder: &Path) -> Vec<String>;
    /// The path without symbolic links.
    fn resolved(&self, path: &Path) -> Option<PathBuf>;
}

/// What the user named by flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenPaths {
    /// `--hadoop-conf`.
    pub(crate) conf: Option<PathBuf>,
    /// `--streaming-jar`.
    pub(crate) jar: Option<PathBuf>,
}

/// A part of Hadoop that is missing: where it was searched for, and how to name it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    #[error("HADOOP_CMD names {}, which is not an executable file", .0.display())]
    NoProgram(PathBuf),
    #[error("there is no hadoop command in PATH{}: set HADOOP_CMD to its path, or run with --cluster local",
        in_home(.home.as_deref()))]
    NoCommand { home: Option<String> },
    #[error(
        "there is no Hadoop configuration in {}: name its folder with --hadoop-conf or HADOOP_CONF_DIR",
        listed(.0)
    )]
    NoConfiguration(Vec<PathBuf>),
    #[error("there is no Hadoop Streaming jar in {}: name it with --streaming-jar", listed(.0))]
    NoJar(Vec<PathBuf>),
    #[error("{by} names {}, which is not {thing} that can be read", path.display())]
    Misnamed { by: &'static str, path: PathBuf, thing: &'static str },
}

fn in_home(home: Option<&str>) -> String {
    home.map(|home| format!(" and not in {home}/bin (HADOOP_HOME)")).unwrap_or_default()
}

/// The `hadoop` command.
///
/// # Errors
/// Fails if there is none.
pub(crate) fn command(machine: &impl Machine) -> Result<PathBuf, InstallError> {
    if let Some(named) = machine.variable("HADOOP_CMD").map(PathBuf::from) {
        return if machine.is_program(&named) { Ok(named) } else { Err(InstallError::NoProgram(named)) };
    }
    let home = machine.variable("HADOOP_HOME").map(|home| Path::new(&home).join("bin/hadoop"));
    let path = machine.variable("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let mut places = home.into_iter().chain(in_path.map(|folder| folder.join("hadoop")));
    let found = places.find(|place| machine.is_program(place));
    found.ok_or_else(|| InstallError::NoCommand { home: machine.variable("HADOOP_HOME") })
}

/// The folder of Hadoop's configuration.
///
/// # Errors
/// Fails if there is none.
pub(crate) fn configuration(machine: &impl Machine, named: &GivenPaths) -> Result<PathBuf, InstallError> {
    if let Some(named) = &named.conf {
        return checked(machine.is_folder(named), named, "--hadoop-conf", "a folder");
    }
    if let Some(named) = machine.variable("HADOOP_CONF_DIR").map(PathBuf::from) {
        return checked(machine.is_folder(&named), &named, "HADOOP_CONF_DIR", "a folder");
    }
    let home = machine.variable("HADOOP_HOME").map(|home| Path::new(&home).join("etc/hadoop"));
    let places: Vec<_> = home.into_iter().chain([PathBuf::from(CONF)]).collect();
    let found = places.iter().find(|place| machine.is_folder(place)).cloned();
    found.ok_or(InstallError::NoConfiguration(places))
}

/// The Hadoop Streaming jar that belongs to a `hadoop` command.
///
/// # Errors
/// Fails if there is none.
pub(crate) fn streaming_jar(
    machine: &impl Machine,
    named: &GivenPaths,
    command: &Path,
) -> Result<PathBuf, InstallError> {
    if let Some(named) = &named.jar {
        return checked(machine.is_file(named), named, "--streaming-jar", "a file");
    }
    let packaged = JARS.map(PathBuf::from);
    if let Some(jar) = packaged.iter().find(|jar| machine.is_file(jar)) {
        return Ok(jar.clone());
    }
    let homes = ["HADOOP_HOME", "HADOOP_MAPRED_HOME"].into_iter().filter_map(|name| machine.variable(name));
    let mut folders: Vec<_> = homes.map(|home| tools(Path::new(&home))).collect();
    // `bin/hadoop` may be a link to that of an unpacked release, or belong to a package beside the jar's.
    let real = machine.resolved(command).unwrap_or_else(|| command.to_owned());
    if let Some(home) = real.parent().and_then(Path::parent) {
        folders.push(tools(home));
        folders.extend(home.parent().map(|parent| parent.join("hadoop-mapreduce")));
    }
    folders.dedup();
    let jar = folders.iter().find_map(|folder| jar_in(machine, folder));
    jar.ok_or_else(|| InstallError::NoJar(packaged.into_iter().chain(folders).collect()))
}

fn tools(home: &Path) -> PathBuf {
    home.join("share/hadoop/tools/lib")
}

/// `hadoop-streaming.jar` or `hadoop-streaming-3.4.2.jar`, but not the jar of its sources or tests. The last one in
/// alphabetical order if there are several.
fn jar_in(machine: &impl Machine, folder: &Path) -> Option<PathBuf> {
    let is_jar = |name: &String| {
        let version = name.strip_prefix("hadoop-streaming").and_then(|rest| rest.strip_suffix(".jar"));
        version.is_some_and(|version| {
            (version.is_empty() || version.starts_with('-'))
                && !version.ends_with("-sources")
                && !version.ends_with("-tests")
        })
    };
    let newest = machine.names(folder).into_iter().filter(is_jar).max();
    newest.map(|name| folder.join(name))
}

fn checked(
    is_there: bool,
    path: &Path,
    by: &'static str,
    thing: &'static str,
) -> Result<PathBuf, InstallError> {
    if is_there {
        Ok(path.to_owned())
    } else {
        Err(InstallError::Misnamed { by, path: path.to_owned(), thing })
    }
}

fn listed(places: &[PathBuf]) -> String {
    places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
}
