//! The plan of an import that runs on another machine, with other credentials.

use tokio_util::sync::CancellationToken;

use super::{
    ImportRequest,
    prepare::{Kind, prepare},
};
use crate::{cluster::WorkerSlots, failure::Failure, stop::Stop, waits::unless_silent};

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
    let preparing = unless_silent(Box::pin(prepare(request, slots, Kind::Elsewhere, &note)));
    let prepared = tokio::select! {
        prepared = preparing => prepared?,
        why = stop.requested() => return Err(Failure::Stopped(format!("{why} before anything was launched"))),
    };
    Ok(prepared.text(place.to_owned()))
}
