//! The plan of an export that runs on another machine, with other credentials.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    ExportRequest,
    prepare::{Reader, Todo, prepare},
};
use crate::{cluster::WorkerSlots, failure::Failure, jobs::lifecycle::unless_stopped_before, stop::Stop};

/// What is planned for one table.
pub(crate) struct RemoteExportPlan {
    /// The plan as text.
    pub(crate) text: String,
    /// How long the scan takes, if that is known.
    pub(crate) time: Option<Duration>,
    /// Whether the folder holds the complete export already, which the user accepts.
    pub(crate) is_complete: bool,
}

/// Checks tables and destinations as [`export`](super::export) does, as far as these credentials can see. `place` says
/// where the export runs.
///
/// # Errors
/// Fails if the export would refuse to run as asked.
pub(crate) async fn plan_remote(
    request: &ExportRequest,
    place: &str,
    slots: WorkerSlots,
    stop: &CancellationToken,
) -> Result<Vec<RemoteExportPlan>, Failure> {
    let stop = Stop::new(stop, None);
    let preparing = prepare(request, slots, Reader::Remote, None);
    let (_, prepared) = unless_stopped_before(&stop, "launched", preparing).await?;
    let planned = prepared.iter().map(|(todo, table)| RemoteExportPlan {
        text: table.text(todo, request.options, place.to_owned()),
        time: table.plan.time,
        is_complete: matches!(todo, Todo::Nothing(_)),
    });
    Ok(planned.collect())
}
