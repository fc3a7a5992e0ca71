//! What EMR can be asked before anything is launched.

use std::collections::BTreeSet;

use super::{Emr, MOST_PAGES};
use crate::launch::{CallError, Failed};

/// How many other names a message shows.
const SOME: usize = 4;

/// The result of a check that was not possible: why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked(pub String);

impl Emr {
    /// What is wrong with release and instance types, as one line each.
    ///
    /// # Errors
    /// Fails if EMR can't be asked, for instance for lack of a permission. That says nothing about the cluster.
    pub async fn wrong_hardware(&self, release: &str, types: &[String]) -> Result<Vec<String>, Unchecked> {
        let labels = self.releases().await.map_err(|error| Unchecked(error.line))?;
        if !labels.is_empty() && !labels.iter().any(|label| label == release) {
            let near = nearest(release, &labels).join(", ");
            let place = &self.region;
            return Ok(vec![format!("--release {release}: EMR in {place} does not have it, but has {near}")]);
        }
        let known = match self.types(release).await {
            Ok(known) => known,
            Err(error) => return Err(Unchecked(error.line)),
        };
        let missing = types.iter().filter(|kind| !known.is_empty() && !known.contains(*kind));
        let line = |kind: &String| {
            let family = kind.split('.').next().unwrap_or_default();
            let generation = family.get(..1).unwrap_or_default();
            let near =
                known.iter().filter(|other| other.starts_with(generation) && other.ends_with(".xlarge"));
            let near: Vec<&str> = near.map(String::as_str).take(SOME).collect();
            let instead = if near.is_empty() { String::new() } else { format!(", but {}", near.join(", ")) };
            format!("--instance-type {kind}: {release} in {} does not support it{instead}", self.region)
        };
        Ok(missing.map(line).collect())
    }

    /// Whether a security configuration is there. `Some` says what is wrong.
    ///
    /// # Errors
    /// Fails if EMR can't be asked.
    pub async fn wrong_security_configuration(&self, name: &str) -> Result<Option<String>, Unchecked> {
        let _waiting = self.waiting("DescribeSecurityConfiguration");
        let asked = Box::pin(self.client.describe_security_configuration().name(name).send()).await;
        let Err(error) = asked else { return Ok(None) };
        let error = self.read_error(
            "DescribeSecurityConfiguration",
            &format!("security configuration {name}"),
            error,
        );
        let code = error.said.as_ref().map(|(code, _)| code.as_str()).unwrap_or_default();
        if matches!(code, "InvalidRequestException" | "ValidationException") {
            return Ok(Some(format!(
                "--security-configuration {name}: EMR in {} has none of this name",
                self.region
            )));
        }
        Err(Unchecked(error.line))
    }

    async fn releases(&self) -> Result<Vec<String>, CallError> {
        let (mut found, mut token) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let _waiting = self.waiting("ListReleaseLabels");
            let page = Box::pin(self.client.list_release_labels().set_next_token(token).send()).await;
            let page = page.map_err(|error| self.read_error("ListReleaseLabels", "releases", error))?;
            found.extend(page.release_labels.unwrap_or_default());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn types(&self, release: &str) -> Result<BTreeSet<String>, CallError> {
        let (mut found, mut marker) = (BTreeSet::new(), None);
        for _ in 0..MOST_PAGES {
            let _waiting = self.waiting("ListSupportedInstanceTypes");
            let request = self.client.list_supported_instance_types().release_label(release);
            let page = Box::pin(request.set_marker(marker).send()).await;
            let page = page.map_err(|error| {
                self.read_error("ListSupportedInstanceTypes", &format!("release {release}"), error)
            })?;
            found.extend(
                page.supported_instance_types.unwrap_or_default().into_iter().filter_map(|one| one.r#type),
            );
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

impl CallError {
    /// Whether EMR refused for lack of a permission (EMR API Reference, "Common Errors"; the second code is of other
    /// services and of emulators).
    pub fn is_denied(&self) -> bool {
        let code = self.said.as_ref().map(|(code, _)| code.as_str());
        self.failed == Failed::Refused && matches!(code, Some("AccessDeniedException" | "AccessDenied"))
    }
}

/// The releases with the nearest numbers, the newest first.
fn nearest(release: &str, labels: &[String]) -> Vec<String> {
    let version = |label: &str| -> Vec<u32> {
        label.trim_start_matches("emr-").split('.').filter_map(|part| part.parse().ok()).collect()
    };
    let wanted = version(release);
    let mut known: Vec<&String> = labels.iter().collect();
    known.sort_by_key(|label| std::cmp::Reverse(version(label)));
    let at = known.iter().position(|label| version(label) < wanted).unwrap_or(known.len());
    let from = at.saturating_sub(SOME / 2).min(known.len().saturating_sub(SOME));
    known.into_iter().skip(from).take(SOME).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_releases_are_named() {
        let labels = ["emr-5.36.2", "emr-6.15.0", "emr-7.1.0", "emr-7.9.0", "emr-7.10.0", "emr-7.13.0"];
        let labels = labels.map(str::to_owned);
        assert_eq!(nearest("emr-7.99.0", &labels), ["emr-7.13.0", "emr-7.10.0", "emr-7.9.0", "emr-7.1.0"]);
        assert_eq!(nearest("emr-7.5.0", &labels), ["emr-7.10.0", "emr-7.9.0", "emr-7.1.0", "emr-6.15.0"]);
        assert_eq!(nearest("emr-4.0.0", &labels), ["emr-7.9.0", "emr-7.1.0", "emr-6.15.0", "emr-5.36.2"]);
    }
}
