//! A small file in the cluster's default file system, and the removal of a folder (shell): by `WebHDFS`, which takes
//! milliseconds, or else by the cluster's own command, which takes a JVM but knows every file system and Kerberos.

#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::Stdio};

use bytes::Bytes;
use hyper::Method;
use tokio::{io::AsyncWriteExt, process::Command};

use super::http::{self, Content, HttpError, escaped};

/// How something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the `NameNode`'s REST API.
    WebHdfs,
    /// By `hadoop fs`.
    Command,
}

/// The default file system of a cluster.
#[derive(Debug)]
pub(crate) struct Hdfs {
    /// Where `NameNode`s may answer, most likely first; none if `WebHDFS` cannot be used.
    pub(crate) name_nodes: Vec<String>,
    /// In whose name, for `WebHDFS`.
    pub(crate) user: String,
    /// The `hadoop` command.
    pub(crate) command: PathBuf,
    /// Its configuration.
    pub(crate) conf: PathBuf,
}

impl Hdfs {
    /// Writes a new file; folders above it are made.
    ///
    /// # Errors
    /// One line; also if the file exists.
    pub(crate) async fn create(&self, path: &str, bytes: Bytes) -> Result<Way, String> {
        for name_node in &self.name_nodes {
            match self.create_at(name_node, path, bytes.clone()).await {
                Ok(()) => return Ok(Way::WebHdfs),
                Err(error) if is_another_worth_it(&error) => {}
                Err(error) => return Err(format!("{path} cannot be written: {error}")),
            }
        }
        // `-put` itself makes no folders.
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        self.run(&["-mkdir", "-p", folder], Bytes::new()).await?;
        self.run(&["-put", "-", path], bytes).await?;
        Ok(Way::Command)
    }

    /// Removes a folder with everything in it, or a file; that it is not there is as good.
    ///
    /// # Errors
    /// One line.
    pub(crate) async fn remove(&self, path: &str) -> Result<Way, String> {
        for name_node in &self.name_nodes {
            let url = self.at(name_node, path, "DELETE", "&recursive=true");
            match http::follow(Method::DELETE, &url, None).await {
                Ok(_) => return Ok(Way::WebHdfs),
                Err(error) if is_another_worth_it(&error) => {}
                Err(error) => return Err(format!("{path} cannot be removed: {error}")),
            }
        }
        self.run(&["-rm", "-r", "-f", "-skipTrash", path], Bytes::new()).await?;
        Ok(Way::Command)
    }

    async fn create_at(&self, name_node: &str, path: &str, bytes: Bytes) -> Result<(), HttpError> {
        let url = self.at(name_node, path, "CREATE", "&overwrite=false");
        // The NameNode only says which DataNode takes the bytes (WebHDFS REST API, "Create and Write to a File").
        let told = http::ask(Method::PUT, &url, None).await?;
        let Some(data_node) = told.location else {
            let why = "it names no DataNode".to_owned();
            return Err(HttpError::Malformed { url, why });
        };
        http::follow(Method::PUT, &data_node, Some(Content::octets(bytes))).await.map(|_| ())
    }

    fn at(&self, name_node: &str, path: &str, operation: &str, query: &str) -> String {
        let path: Vec<_> = path.split('/').map(escaped).collect();
        let (path, user) = (path.join("/"), escaped(&self.user));
        format!("{name_node}/webhdfs/v1{path}?op={operation}&user.name={user}{query}")
    }

    /// `hadoop fs …`, with something on its standard input.
    async fn run(&self, arguments: &[&str], input: Bytes) -> Result<(), String> {
        let what = || format!("{} fs {}", self.command.display(), arguments.join(" "));
        let failed = |error: std::io::Error| format!("{}: {error}", what());
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
            // Whoever does not read it says why by its exit code.
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
        Err(format!("{}: {} ({})", what(), why.unwrap_or("it prints nothing").trim(), output.status))
    }
}

/// Whether another `NameNode`, or the command, may do better: not after a plain refusal.
fn is_another_worth_it(error: &HttpError) -> bool {
    match error {
        HttpError::Tls(_)
        | HttpError::Kerberos(_)
        | HttpError::Standby(_)
        | HttpError::Unreachable { .. }
        | HttpError::Malformed { .. } => true,
        // 403 is also how a NameNode says that it stands by.
        HttpError::Status { status, exception, .. } => {
            exception == "StandbyException" || status.is_server_error() || exception.is_empty()
        }
    }
}
