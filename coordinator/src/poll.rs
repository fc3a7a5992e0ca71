//! Waits for something that sends no event, by looking again and again.

use std::time::Duration;

/// Looks after each of these pauses until `look` finds something. `None` if it finds nothing after the last.
pub(crate) async fn poll_until<T, F: Future<Output = Option<T>>>(
    pauses: impl IntoIterator<Item = Duration>,
    mut look: impl FnMut() -> F,
) -> Option<T> {
    for pause in pauses {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if let Some(found) = look().await {
            return Some(found);
        }
    }
    None
}

/// The pauses of somebody who looks at once, and then every so often, this many times in all.
pub(crate) fn at_once_and_every(pause: Duration, looks: usize) -> impl Iterator<Item = Duration> {
    [Duration::ZERO].into_iter().chain(std::iter::repeat(pause)).take(looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_after_each_pause_until_it_finds_something() {
        let mut looks = 0;
        let mut look = |needed| {
            looks += 1;
            std::future::ready((looks == needed).then_some(looks))
        };
        let pause = Duration::from_millis(2);
        let pauses = || at_once_and_every(pause, 3);
        assert_eq!(pauses().collect::<Vec<_>>(), [Duration::ZERO, pause, pause]);
        assert_eq!(poll_until(pauses(), || look(3)).await, Some(3));
        assert_eq!(poll_until(pauses(), || look(9)).await, None);
        assert_eq!(looks, 6);
    }
}
