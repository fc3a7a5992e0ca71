//! Records what this process waits for: replies of servers and of file systems. So a silent server can be named while
//! it is silent.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

static WAITS: Mutex<Waits> = Mutex::new(Waits::new());

thread_local! {
    /// Whether waits that begin on this thread are left out.
    static IS_UNNOTICED: Cell<bool> = const { Cell::new(false) };
}

/// From now on, waits that begin on this thread are not recorded: the job does not depend on them.
pub fn unnoticed_on_this_thread() {
    IS_UNNOTICED.set(true);
}

fn waits() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that the process waits for, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What it waits for, such as `https://… (s3:ListBucket)`.
    pub what: String,
    /// When the wait began. It is the same for all attempts of a request without an answer.
    pub since: Instant,
    /// How long the wait has lasted.
    pub age: Duration,
}

/// Records that this process waits for the reply to a request, until the returned guard is dropped.
pub fn waiting(what: impl Into<String>) -> Waiting {
    begun(what.into(), Ends::GivenUp)
}

/// The same for a call whose end is the answer, such as one to a file system.
pub fn calling(what: impl Into<String>) -> Waiting {
    begun(what.into(), Ends::Answered)
}

fn begun(what: String, ends: Ends) -> Waiting {
    let number = (!IS_UNNOTICED.get()).then(|| waits().begin(Instant::now(), what));
    Waiting { number, ends }
}

/// The longest wait.
pub fn longest() -> Option<Wait> {
    waits().longest(Instant::now())
}

/// The longest wait during which nothing else answered either. Its age is that of the silence.
pub fn silence() -> Option<Wait> {
    waits().silence(Instant::now())
}

/// The call that has been repeated for the longest time. `what` is why it failed the last time.
pub fn repeating() -> Option<Wait> {
    waits().repeating(Instant::now())
}

/// A call that is repeated as long as it fails. Until it first fails, nothing is recorded.
#[derive(Debug)]
pub struct Repeating {
    since: Instant,
    number: Option<u64>,
}

impl Repeating {
    /// Before the first try.
    pub fn begin() -> Self {
        Self { since: Instant::now(), number: None }
    }

    /// Records that the call has failed with this message and will be made again.
    pub fn failed(&mut self, why: &str) {
        if !IS_UNNOTICED.get() {
            self.number = Some(waits().failed(self.since, self.number, why.to_owned()));
        }
    }
}

impl Drop for Repeating {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            waits().repeated.remove(&number);
        }
    }
}

/// The guard of a wait.
#[derive(Debug)]
pub struct Waiting {
    /// `None` if the wait is not recorded.
    number: Option<u64>,
    ends: Ends,
}

/// How a wait ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Answered,
    /// No answer in time. The next attempt continues the same wait.
    Late,
    /// Nobody needs the answer any more.
    GivenUp,
}

impl Waiting {
    /// Records an answer, or a part of one.
    pub fn heard(&self) {
        if let Some(number) = self.number {
            waits().heard(Instant::now(), number);
        }
    }

    /// Ends the wait without an answer in time. The next attempt may be answered.
    pub fn late(mut self) {
        self.ends = Ends::Late;
    }

    /// Ends the wait with an answer.
    pub fn answered(mut self) {
        self.ends = Ends::Answered;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            waits().end(Instant::now(), number, self.ends);
        }
    }
}

/// The recorded waits. The time is an argument.
#[derive(Debug)]
struct Waits {
    /// By number, in their order: what is waited for, and when it began or was last answered in part.
    pending: BTreeMap<u64, (String, Instant)>,
    next: u64,
    /// Requests without an answer so far, and when each was first sent.
    asked: BTreeMap<String, Instant>,
    heard: Option<Instant>,
    /// Calls that are repeated, by number: why each failed the last time, and when it was first made.
    repeated: BTreeMap<u64, (String, Instant)>,
}

impl Waits {
    const fn new() -> Self {
        Self {
            pending: BTreeMap::new(),
            next: 0,
            asked: BTreeMap::new(),
            heard: None,
            repeated: BTreeMap::new(),
        }
    }

    fn failed(&mut self, since: Instant, number: Option<u64>, why: String) -> u64 {
        let number = number.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        self.repeated.insert(number, (why, since));
        number
    }

    fn repeating(&self, now: Instant) -> Option<Wait> {
        let (what, since) = self.repeated.values().min_by_key(|(_, since)| *since)?;
        Some(Wait { what: what.clone(), since: *since, age: now.saturating_duration_since(*since) })
    }

    fn begin(&mut self, now: Instant, what: String) -> u64 {
        self.next += 1;
        self.asked.entry(what.clone()).or_insert(now);
        self.pending.insert(self.next, (what, now));
        self.next
    }

    fn heard(&mut self, now: Instant, number: u64) {
        self.heard = Some(now);
        if let Some((what, since)) = self.pending.get_mut(&number) {
            *since = now;
            self.asked.remove(&*what);
        }
    }

    fn end(&mut self, now: Instant, number: u64, ends: Ends) {
        if ends == Ends::Answered {
            self.heard(now, number);
        }
        let Some((what, _)) = self.pending.remove(&number) else { return };
        if ends == Ends::GivenUp && !self.pending.values().any(|(other, _)| *other == what) {
            self.asked.remove(&what);
        }
    }

    fn all(&self) -> impl Iterator<Item = (&String, Instant)> {
        self.pending.values().map(|(what, since)| {
            // The wait for a retried request began with its first attempt.
            (what, self.asked.get(what).map_or(*since, |asked| (*asked).min(*since)))
        })
    }

    fn longest(&self, now: Instant) -> Option<Wait> {
        let (what, since) = self.all().min_by_key(|(_, since)| *since)?;
        Some(Wait { what: what.clone(), since, age: now.saturating_duration_since(since) })
    }

    fn silence(&self, now: Instant) -> Option<Wait> {
        let Wait { what, since, .. } = self.longest(now)?;
        let since = self.heard.map_or(since, |heard| heard.max(since));
        Some(Wait { what, since, age: now.saturating_duration_since(since) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn tries_without_an_answer_are_one_silence() {
        let (mut waits, start) = (Waits::new(), Instant::now());
        assert_eq!(waits.silence(start), None);
        let first = waits.begin(start, "a".into());
        waits.end(after(start, 9), first, Ends::Late);
        assert_eq!(waits.silence(after(start, 10)), None, "nothing is waited for between two tries");
        let second = waits.begin(after(start, 20), "a".into());
        let wait = waits.silence(after(start, 30)).unwrap();
        assert_eq!((wait.what.as_str(), wait.age.as_secs(), wait.since), ("a", 30, start));
        assert_eq!(waits.longest(after(start, 30)), Some(wait));
        waits.heard(after(start, 31), second);
        assert_eq!(
            waits.silence(after(start, 40)).unwrap().age.as_secs(),
            9,
            "its body may stand still, too"
        );
        waits.end(after(start, 41), second, Ends::Answered);
        assert!(waits.pending.is_empty() && waits.asked.is_empty());
    }

    #[test]
    fn one_that_is_silent_among_others_is_named_and_is_no_silence_of_all() {
        let (mut waits, start) = (Waits::new(), Instant::now());
        waits.begin(start, "silent".into());
        let other = waits.begin(after(start, 1), "other".into());
        waits.heard(after(start, 9), other);
        let wait = waits.longest(after(start, 9)).unwrap();
        assert_eq!((wait.what.as_str(), wait.age.as_secs()), ("silent", 9));
        assert_eq!(waits.silence(after(start, 9)).unwrap().age.as_secs(), 0);
        assert_eq!(waits.silence(after(start, 19)).unwrap().age.as_secs(), 10);
    }

    #[test]
    fn what_does_not_concern_the_job_is_not_recorded() {
        let unnoticed = std::thread::spawn(|| {
            unnoticed_on_this_thread();
            let wait = calling("the place of a log");
            wait.heard();
            let all: Vec<String> = waits().pending.values().map(|(what, _)| what.clone()).collect();
            all.contains(&"the place of a log".to_owned())
        });
        assert!(!unnoticed.join().unwrap());
    }

    #[test]
    fn what_nobody_wants_to_know_any_more_is_forgotten() {
        let (mut waits, start) = (Waits::new(), Instant::now());
        let first = waits.begin(start, "a".into());
        waits.end(after(start, 50), first, Ends::GivenUp);
        waits.begin(after(start, 100), "a".into());
        assert_eq!(waits.silence(after(start, 101)).unwrap().age.as_secs(), 1);
    }

    #[test]
    fn a_call_that_is_repeated_is_known_by_its_last_failure_and_its_first_try() {
        let (mut waits, start) = (Waits::new(), Instant::now());
        assert_eq!(waits.repeating(start), None);
        let first = waits.failed(start, None, "torn".into());
        waits.failed(after(start, 2), None, "another".into());
        assert_eq!(waits.failed(start, Some(first), "empty".into()), first);
        let wait = waits.repeating(after(start, 6)).unwrap();
        assert_eq!((wait.what.as_str(), wait.since, wait.age.as_secs()), ("empty", start, 6));
        waits.repeated.remove(&first);
        assert_eq!(waits.repeating(after(start, 6)).unwrap().what, "another");
        assert_eq!(waits.longest(after(start, 6)), None, "nobody is being waited for");
    }
}
