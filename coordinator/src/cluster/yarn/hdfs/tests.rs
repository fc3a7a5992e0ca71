use std::os::unix::fs::PermissionsExt;

use super::*;

/// A file system whose `NameNode` does not answer, so that the command is used, which is this script.
fn hdfs(folder: &std::path::Path, script: &str) -> Hdfs {
    let command = folder.join("hadoop");
    std::fs::write(&command, format!("#!/bin/sh\ncd {}\n{script}\n", folder.display())).unwrap();
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
    Hdfs {
        client: Client::new(rustls::RootCertStore::empty()).unwrap(),
        name_nodes: vec!["https://127.0.0.1:1".into()],
        user: "me".into(),
        command,
        conf: "/conf".into(),
    }
}

#[tokio::test]
async fn where_webhdfs_is_not_spoken_the_command_does_it() {
    let folder = tempfile::tempdir().unwrap();
    let hdfs = hdfs(folder.path(), "echo \"$@\" >>asked");
    assert_eq!(hdfs.create("/tmp/a/slots", "slot 1\n".into()).await.unwrap(), HdfsMethod::Command);
    assert_eq!(hdfs.remove("/tmp/a").await.unwrap(), HdfsMethod::Command);
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let asked = "--config /conf fs -mkdir -p /tmp/a\n--config /conf fs -put - /tmp/a/slots\n\
                 --config /conf fs -rm -r -f -skipTrash /tmp/a\n";
    assert_eq!(read("asked"), asked);
}

#[tokio::test]
async fn what_the_command_says_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let hdfs = hdfs(folder.path(), "echo 'rm: no such luck' >&2; exit 1");
    let error = hdfs.remove("/tmp/a").await.unwrap_err().to_string();
    assert!(error.ends_with("fs -rm -r -f -skipTrash /tmp/a: rm: no such luck (exit status: 1)"), "{error}");
}
