//! Measures and prints a speed.

use std::time::{Duration, Instant};

/// How long the work is repeated. The fastest time counts, since the others were disturbed.
const TIME: Duration = Duration::from_secs(2);

/// Repeats work on this many `things` of `bytes` in all, and prints its speed under this name. It should take
/// milliseconds, so that some repetitions are not interrupted.
#[expect(clippy::cast_precision_loss, reason = "a speed for people")]
pub(crate) fn report(name: &str, (number, things): (usize, &str), bytes: usize, mut work: impl FnMut()) {
    let (start, mut best) = (Instant::now(), TIME);
    while start.elapsed() < TIME {
        let pass = Instant::now();
        work();
        best = best.min(pass.elapsed());
    }
    let seconds = best.as_secs_f64();
    println!(
        "{name:<24} {:>10.0} {things}/s {:>8.1} MB/s of {} bytes each",
        number as f64 / seconds,
        bytes as f64 / seconds / 1e6,
        bytes / number
    );
}
