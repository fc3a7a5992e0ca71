//! What a converted pipeline installs, and how.

use super::refusal::Refusal;

/// How the cluster gets tablehaul.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A bootstrap action installs it, and the step runs it with command-runner.jar.
    BootstrapAction,
    /// Only the step changes: script-runner.jar runs run.sh, which installs it.
    StepAlone,
}

/// What a converted pipeline installs, and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) folder: String,
    /// The text of the bootstrap action, unless the step installs tablehaul.
    pub(super) bootstrap_action: Option<String>,
}

impl Options {
    /// A bootstrap action with the checksums of the packages for the architectures that the cluster may have.
    ///
    /// # Errors
    /// Fails if the folder, the version or a checksum cannot stand in a definition.
    pub fn bootstrap_action(folder: &str, version: &str, sums: &[String]) -> Result<Self, Refusal> {
        let folder = checked_folder(folder)?;
        let is_version = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '+');
        if version.is_empty() || !version.chars().all(is_version) {
            return Err(Refusal::Version(version.to_owned()));
        }
        let is_sum = |sum: &&String| {
            sum.len() == 64 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if let Some(sum) = sums.iter().find(|sum| !is_sum(sum)) {
            return Err(Refusal::Sum(sum.clone()));
        }
        if sums.is_empty() {
            return Err(Refusal::NoSum);
        }
        let action = format!("{folder}/install.sh,{folder},{version},{}", sums.join(","));
        Ok(Self { folder, bootstrap_action: Some(action) })
    }

    /// Only the step changes. It needs no version and no checksum: `upload.sh` has written them into run.sh.
    ///
    /// # Errors
    /// Fails if the folder cannot stand in a step.
    pub fn step_alone(folder: &str) -> Result<Self, Refusal> {
        Ok(Self { folder: checked_folder(folder)?, bootstrap_action: None })
    }

    /// How the cluster gets tablehaul.
    pub fn form(&self) -> Form {
        match self.bootstrap_action {
            Some(_) => Form::BootstrapAction,
            None => Form::StepAlone,
        }
    }
}

/// The folder without a slash at its end. The rule is that of emr-bootstrap/upload.sh.
fn checked_folder(folder: &str) -> Result<String, Refusal> {
    let wrong = || Refusal::Folder(folder.to_owned());
    let path = folder.trim_end_matches('/');
    let (bucket, key) = path.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let of_bucket = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    let is_bucket = bucket.len() > 1 && bucket.bytes().all(of_bucket) && !bucket.starts_with(['.', '-']);
    if is_bucket && !key.is_empty() && key.bytes().all(of_key) { Ok(path.to_owned()) } else { Err(wrong()) }
}
