//! What clusters install: version and checksums, as `upload.sh` wrote them into `run.sh`.

use emr::request::Package;
use job_aws::Clients;

use super::objects;
use crate::failure::Failure;

/// Fills in version and checksums of the package in a folder.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the folder was not made by `upload.sh`.
pub(crate) async fn package(clients: &Clients, folder: &str) -> Result<Package, Failure> {
    let url = format!("{folder}/run.sh");
    let found = objects::get(clients, &url).await.map_err(|fault| {
        Failure::refused(&fault).saying("or give --install-sha256, with what upload.sh printed")
    })?;
    let Some(script) = found else {
        return Err(Failure::refused(format!(
            "--install-from {folder}: there is no run.sh: upload tablehaul with `emr-bootstrap/upload.sh {folder} \
             ARCHIVE...`"
        )));
    };
    read(folder, &String::from_utf8_lossy(&script)).ok_or_else(|| {
        Failure::refused(format!("{url} does not name version and checksums: upload it with upload.sh"))
    })
}

fn read(folder: &str, script: &str) -> Option<Package> {
    let value = |name: &str| {
        let line = script.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('\'').to_owned()).filter(|value| !value.is_empty())
    };
    let sums: Vec<String> = value("sums")?.split_whitespace().map(str::to_owned).collect();
    Some(Package { folder: folder.to_owned(), version: value("version")?, sums })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_checksums_are_in_the_script() {
        let script = "#!/bin/bash\nfolder=s3://b/t\nversion=0.1.0\ninstall_sum=c\nsums='a b'\n";
        let package = read("s3://b/t", script).unwrap();
        assert_eq!(
            (package.version.as_str(), &package.sums[..]),
            ("0.1.0", &["a".to_owned(), "b".to_owned()][..])
        );
        let not_uploaded = include_str!("../../../../emr-bootstrap/run.sh");
        assert_eq!(read("s3://b/t", not_uploaded), None);
    }
}
