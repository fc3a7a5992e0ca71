//! The plan of an import that runs on another machine, with other credentials.

use tokio_util::sync::CancellationToken;

use super::{
    ImportRequest,
    prepare::{Kind, prepare},
};
use crate::{cluster::WorkerSlots, failure::Failure, lifecycle::unless_stopped_before, stop::Stop};

/// Checks table and backup as [`import`](super::import) does, as far as these credentials can see, and without reading
/// the whole backup. Returns the plan as text. `place` says where the import runs.
///
/// # Errors
/// Fails if the import would refuse to run as asked.
pub(crate) async fn plan_elsewhere(
    request: &ImportRequest,
    place: &str,
    slots: WorkerSlots,
    stop: &CancellationToken,
) -> Result<String, Failure> {
    let stop = Stop::new(stop, None);
    let note = |_: &str| ();
    let preparing = Box::pin(prepare(request, slots, Kind::Elsewhere, &note));
    let prepared = unless_stopped_before(&stop, "launched", preparing).await?;
    Ok(prepared.text(place.to_owned()))
}
