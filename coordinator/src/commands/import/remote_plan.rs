//! The plan of an import that runs on another machine, with other credentials.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    ImportRequest,
    prepare::{ImportRun, prepare},
};
use crate::{cluster::WorkerSlots, failure::Failure, jobs::lifecycle::unless_stopped_before, stop::Stop};

/// What is planned.
pub(crate) struct RemoteImportPlan {
    /// The plan as text.
    pub(crate) text: String,
    /// About how long writing takes, if something is known of it.
    pub(crate) time: Option<Duration>,
}

/// Checks table and backup as [`import`](super::import) does, as far as these credentials can see, and without reading
/// the whole backup. `place` says where the import runs.
///
/// # Errors
/// Fails if the import would refuse to run as asked.
pub(crate) async fn plan_remote(
    request: &ImportRequest,
    place: &str,
    slots: WorkerSlots,
    stop: &CancellationToken,
) -> Result<RemoteImportPlan, Failure> {
    let stop = Stop::new(stop, None);
    let note = |_: &str| ();
    let preparing = Box::pin(prepare(request, slots, ImportRun::Remote, &note));
    let prepared = unless_stopped_before(&stop, "launched", preparing).await?;
    Ok(RemoteImportPlan { text: prepared.text(place.to_owned()), time: prepared.time() })
}
