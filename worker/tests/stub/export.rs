//! An export of the small table to a folder.

use std::path::Path;

use job::{
    capacity::Units,
    control::{FromWorker, Sealed, ToWorker},
    ids::{Attempt, FileId, JobId, Segment},
    layout::part_file,
    spec::{AwsAccess, Compression, ExportSettings, FileOptions, FixedOptions},
    target::Target,
    task::{Lease, Mark},
};

use super::{coordinator::Coordinator, dynamodb::Table};

pub(crate) fn settings(table: &Table, dir: &Path) -> ExportSettings {
    let aws = AwsAccess { dynamodb_endpoint: Some(table.endpoint.clone()), ..AwsAccess::default() };
    ExportSettings {
        table: "t".into(),
        options: FixedOptions {
            files: FileOptions::default(),
            consistent: false,
            segments: 10.try_into().unwrap(),
        },
        target: Target::File { dir: dir.into() },
        upload_part_bytes: 1 << 20,
        part_file_bytes: 1 << 20,
        mean_item_bytes: 0,
        aws,
    }
}

pub(crate) fn lease(segment: u32, mark: Mark) -> ToWorker {
    ToWorker::Lease(Lease { segment: Segment(segment), attempt: Attempt(1), mark })
}

/// The worker's messages about its leases.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) sealed: Option<Sealed>,
    pub(crate) asked_for_files: u32,
    pub(crate) throttled: u32,
    pub(crate) failed: Option<String>,
}

/// Serves the worker, with units as it needs them, until it has sealed something or failed.
pub(crate) async fn serve_until_sealed(coordinator: &mut Coordinator) -> Received {
    let mut received = Received::default();
    let mut granted = Units::ZERO;
    loop {
        match coordinator.hear().await {
            FromWorker::Need(total) => {
                let page = Units::from_units(200);
                coordinator.tell(ToWorker::Grant { units: total - granted, page }).await;
                granted = total;
            }
            FromWorker::WantFile => {
                received.asked_for_files += 1;
                let file = FileId(8);
                let name = part_file(&JobId::from_u128(1), file, Compression::None);
                let upload_id = "u".parse().expect("an upload id");
                coordinator.tell(ToWorker::File { file, name, upload_id }).await;
            }
            FromWorker::Throttled(count) => received.throttled += count,
            FromWorker::Failed(why) => return Received { failed: Some(why), ..received },
            FromWorker::Sealed(sealed) => return Received { sealed: Some(sealed), ..received },
            FromWorker::Want(_)
            | FromWorker::Advance(_)
            | FromWorker::Heartbeat(_)
            | FromWorker::Log(_)
            | FromWorker::FileVerified(_)
            | FromWorker::Hello { .. } => {}
        }
    }
}
