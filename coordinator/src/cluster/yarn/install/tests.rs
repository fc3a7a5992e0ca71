use std::collections::BTreeMap;

use super::*;

#[derive(Default)]
struct Fake {
    variables: BTreeMap<&'static str, &'static str>,
    files: Vec<&'static str>,
    links: BTreeMap<&'static str, &'static str>,
}

impl Machine for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| (*value).to_owned())
    }

    fn is_program(&self, path: &Path) -> bool {
        self.is_file(path)
    }

    fn is_file(&self, path: &Path) -> bool {
        self.files.iter().any(|file| Path::new(file) == path)
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.files.iter().any(|file| Path::new(file).starts_with(path) && Path::new(file) != path)
    }

    fn names(&self, folder: &Path) -> Vec<String> {
        let inside = self.files.iter().filter(|file| Path::new(file).parent() == Some(folder));
        inside.map(|file| Path::new(file).file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn resolved(&self, path: &Path) -> Option<PathBuf> {
        self.links.get(path.to_str()?).map(PathBuf::from)
    }
}

fn fake(variables: &[(&'static str, &'static str)], files: &[&'static str]) -> Fake {
    Fake { variables: variables.iter().copied().collect(), files: files.into(), links: BTreeMap::new() }
}

#[test]
fn the_command_is_named_or_at_home_or_in_the_path() {
    let files = ["/opt/a/hadoop", "/opt/h/bin/hadoop", "/usr/bin/hadoop"];
    let path = ("PATH", "relative:/bin:/usr/bin");
    let home = ("HADOOP_HOME", "/opt/h");
    let found = |variables: &[_]| command(&fake(variables, &files)).unwrap();
    assert_eq!(found(&[path, home, ("HADOOP_CMD", "/opt/a/hadoop")]), Path::new("/opt/a/hadoop"));
    assert_eq!(found(&[path, home]), Path::new("/opt/h/bin/hadoop"));
    assert_eq!(found(&[path]), Path::new("/usr/bin/hadoop"));
}

#[test]
fn a_missing_command_says_where_it_was_looked_for() {
    let missing = |variables: &[_]| command(&fake(variables, &[])).unwrap_err().to_string();
    assert_eq!(missing(&[("HADOOP_CMD", "/x")]), "HADOOP_CMD names /x, which is not an executable file");
    assert_eq!(
        missing(&[("PATH", "/bin"), ("HADOOP_HOME", "/opt/h")]),
        "there is no hadoop command in PATH and not in /opt/h/bin (HADOOP_HOME): set HADOOP_CMD to its path, \
         or run with --cluster local"
    );
}

#[test]
fn the_configuration_is_named_or_at_home_or_where_packages_put_it() {
    let machine = |variables: &[_]| {
        fake(
            variables,
            &["/c/yarn-site.xml", "/opt/h/etc/hadoop/core-site.xml", "/etc/hadoop/conf/core-site.xml"],
        )
    };
    let found = |variables: &[_]| configuration(&machine(variables), &GivenPaths::default()).unwrap();
    assert_eq!(found(&[("HADOOP_CONF_DIR", "/c"), ("HADOOP_HOME", "/opt/h")]), Path::new("/c"));
    assert_eq!(found(&[("HADOOP_HOME", "/opt/h")]), Path::new("/opt/h/etc/hadoop"));
    assert_eq!(found(&[]), Path::new("/etc/hadoop/conf"));
    let named = GivenPaths { conf: Some("/no".into()), jar: None };
    let refused = configuration(&machine(&[]), &named).unwrap_err().to_string();
    assert_eq!(refused, "--hadoop-conf names /no, which is not a folder that can be read");
    let missing = configuration(&fake(&[], &[]), &GivenPaths::default()).unwrap_err().to_string();
    assert_eq!(
        missing,
        "there is no Hadoop configuration in /etc/hadoop/conf: name its folder with --hadoop-conf or \
         HADOOP_CONF_DIR"
    );
}

#[test]
fn the_jar_is_where_packages_put_it_or_in_a_release() {
    let command = Path::new("/usr/bin/hadoop");
    let found = |machine: &Fake| {
        streaming_jar(machine, &GivenPaths::default(), command).map(|jar| jar.display().to_string())
    };
    let emr = fake(&[], &["/usr/lib/hadoop-mapreduce/hadoop-streaming.jar"]);
    assert_eq!(found(&emr).unwrap(), "/usr/lib/hadoop-mapreduce/hadoop-streaming.jar");
    let lib = [
        "/opt/h/share/hadoop/tools/lib/hadoop-streaming-3.4.2.jar",
        "/opt/h/share/hadoop/tools/lib/hadoop-streaming-3.4.2-sources.jar",
        "/opt/h/share/hadoop/tools/lib/hadoop-sls-3.4.2.jar",
    ];
    assert_eq!(found(&fake(&[("HADOOP_HOME", "/opt/h")], &lib)).unwrap(), lib[0]);
    let mut linked = fake(&[], &lib);
    linked.links.insert("/usr/bin/hadoop", "/opt/h/bin/hadoop");
    assert_eq!(found(&linked).unwrap(), lib[0]);
    assert_eq!(
        found(&fake(&[("HADOOP_HOME", "/opt/h")], &[])).unwrap_err().to_string(),
        "there is no Hadoop Streaming jar in /usr/lib/hadoop-mapreduce/hadoop-streaming.jar, \
         /usr/lib/hadoop/hadoop-streaming.jar, /opt/h/share/hadoop/tools/lib, /usr/share/hadoop/tools/lib, \
         /hadoop-mapreduce: name it with --streaming-jar"
    );
}
