//! Writes a small file to the cluster's default file system, and removes a folder. `WebHDFS` takes milliseconds. The
//! fallback is the cluster's own command, which starts a JVM but supports every file system and Kerberos.

#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use bytes::Bytes;
use hyper::Method;
use tokio::{io::AsyncWriteExt, process::Command};

use super::http::{Client, Content, HttpError, escaped};

/// How an operation was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HdfsMethod {
    /// By the `NameNode`'s REST API.
    WebHdfs,
    /// By `hadoop fs`.
    Command,
}

/// Why a file was not written or removed. One line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HdfsError {
    /// `WebHDFS` refuses it.
    #[error("{path} cannot be {done}: {error}")]
    Refused {
        path: String,
        done: &'static str,
        #[source]
        error: HttpError,
    },
    /// The command can't be run.
    #[error("{command}: {error}")]
    NotRun {
        command: String,
        #[source]
        error: io::Error,
    },
    /// The command failed.
    #[error("{command}: {said} ({status})")]
    Command { command: String, said: String, status: ExitStatus },
}

/// The default file system of a cluster.
#[derive(Debug)]
pub(crate) struct Hdfs {
    /// Sends the requests of `WebHDFS`.
    pub(crate) client: Client,
    /// Where `NameNode`s may answer, the most likely first. Empty if `WebHDFS` cannot be used.
    pub(crate) name_nodes: Vec<String>,
    /// The user for `WebHDFS`.
    pub(crate) user: String,
    /// The `hadoop` command.
    pub(crate) command: PathBuf,
    /// Its configuration folder.
    pub(crate) conf: PathBuf,
}

impl Hdfs {
    /// Writes a new file, and creates missing folders above it.
    ///
    /// # Errors
    /// Fails also if the file exists.
    pub(crate) async fn create(&self, path: &str, bytes: Bytes) -> Result<HdfsMethod, HdfsError> {
        for name_node in &self.name_nodes {
            match self.create_at(name_node, path, bytes.clone()).await {
                Ok(()) => return Ok(HdfsMethod::WebHdfs),
                Err(error) if is_another_worth_it(&error) => {}
                Err(error) => {
                    return Err(HdfsError::Refused { path: path.to_owned(), done: "written", error });
                }
            }
        }
        // `-put` itself creates no folders.
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        self.run(&["-mkdir", "-p", folder], Bytes::new()).await?;
        self.run(&["-put", "-", path], bytes).await?;
        Ok(HdfsMethod::Command)
    }

    /// Removes a file, or a folder with its contents. It is no error if it does not exist.
    pub(crate) async fn remove(&self, path: &str) -> Result<HdfsMethod, HdfsError> {
        for name_node in &self.name_nodes {
            let url = self.at(name_node, path, "DELETE", "&recursive=true");
            match self.client.follow(Method::DELETE, &url, None).await {
                Ok(_) => return Ok(HdfsMethod::WebHdfs),
                Err(error) if is_another_worth_it(&error) => {}
                Err(error) => {
                    return Err(HdfsError::Refused { path: path.to_owned(), done: "removed", error });
                }
            }
        }
        self.run(&["-rm", "-r", "-f", "-skipTrash", path], Bytes::new()).await?;
        Ok(HdfsMethod::Command)
    }

    async fn create_at(&self, name_node: &str, path: &str, bytes: Bytes) -> Result<(), HttpError> {
        let url = self.at(name_node, path, "CREATE", "&overwrite=false");
        // The NameNode only names the DataNode that takes the bytes (WebHDFS REST API, "Create and Write to a File").
        let reply = self.client.ask(Method::PUT, &url, None).await?;
        let Some(data_node) = reply.location else {
            let why = "it names no DataNode".to_owned();
            return Err(HttpError::Malformed { url, why });
        };
        self.client.follow(Method::PUT, &data_node, Some(Content::octets(bytes))).await.map(|_| ())
    }

    fn at(&self, name_node: &str, path: &str, operation: &str, query: &str) -> String {
        let path: Vec<_> = path.split('/').map(escaped).collect();
        let (path, user) = (path.join("/"), escaped(&self.user));
        format!("{name_node}/webhdfs/v1{path}?op={operation}&user.name={user}{query}")
    }

    /// Runs `hadoop fs …` with this standard input.
    async fn run(&self, arguments: &[&str], input: Bytes) -> Result<(), HdfsError> {
        let what = || format!("{} fs {}", self.command.display(), arguments.join(" "));
        let failed = |error| HdfsError::NotRun { command: what(), error };
        let mut child = Command::new(&self.command)
            .arg("--config")
            .arg(&self.conf)
            .arg("fs")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take();
        let feed = async {
            // A command that does not read its input explains that by its exit code.
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(&input).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        let output = output.map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with("\tat "));
        let said = why.unwrap_or("it prints nothing").trim().to_owned();
        Err(HdfsError::Command { command: what(), said, status: output.status })
    }
}

/// Whether another `NameNode`, or the command, may succeed. Not after a plain refusal.
fn is_another_worth_it(error: &HttpError) -> bool {
    match error {
        HttpError::Tls(_)
        | HttpError::Kerberos(_)
        | HttpError::Standby(_)
        | HttpError::Unreachable { .. }
        | HttpError::Malformed { .. } => true,
        // A NameNode on standby answers 403 as well.
        HttpError::Status { status, exception, .. } => {
            exception == "StandbyException" || status.is_server_error() || exception.is_empty()
        }
    }
}
