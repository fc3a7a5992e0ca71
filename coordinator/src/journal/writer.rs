//! Writes the objects of a journal one after the other, and detects another writer.

use std::time::{Duration, Instant};

use engine::{
    conflict::{Existing, claim, stands_alone},
    replay::Journaled,
};
use jiff::Timestamp;
use job::{
    journal::{self, Fact, Header, Writer},
    layout,
};
use job_aws::{Fault, FaultKind, Policy};
use tracing::{debug, info};

use super::{
    cadence::Size,
    process_identity, read,
    takeover::{OWNER_TIMEOUT, changed_text, owner},
};
use crate::{
    failure::Failure,
    host,
    store::{JOURNAL_OBJECT, Lock, Store},
};

/// Pause between two tries to write an object.
const APPEND_PAUSE: Duration = Duration::from_secs(2);
/// How long ago the last object may have been written while the journal is removed. Within that time no other
/// coordinator can have taken over.
const REMOVAL_LIMIT: Duration = OWNER_TIMEOUT.saturating_sub(Duration::from_secs(5));

/// The result of creating an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Created {
    Now,
    /// An earlier try of this run, which was not waited for, created it with other facts.
    Before,
}

/// The writer of a journal.
pub(super) struct JournalWriter {
    /// The folder, as long as it is the one that was locked.
    folder: Store,
    /// The folder of the journal in it.
    journal: Store,
    /// The folder, for messages.
    place: String,
    /// The header of each object, with the number of the last one.
    me: Header,
    /// The run that wrote the last object.
    before: String,
    /// The number of the first object that may exist.
    oldest: u64,
    size: Size,
    /// The most bytes of a snapshot.
    longest: u64,
    /// When the last object was written.
    written_at: Instant,
    /// On a file system: the lock that keeps others out while this process lives.
    lock: Lock,
}

impl JournalWriter {
    /// For a folder without a journal.
    pub(super) async fn first(store: &Store) -> Result<Self, Failure> {
        Self::new(store, 0, 1).await
    }

    /// To continue a journal that was read.
    pub(super) async fn after(store: &Store, journaled: &Journaled) -> Result<Self, Failure> {
        let mut writer = Self::new(store, journaled.last.number, journaled.oldest).await?;
        writer.before.clone_from(&journaled.last.run);
        writer.size = Size { objects: journaled.objects, bytes: journaled.bytes, snapshot_bytes: 0 };
        Ok(writer)
    }

    async fn new(store: &Store, last: u64, oldest: u64) -> Result<Self, Failure> {
        let lock = store.lock().await.map_err(|fault| Failure::refused(&fault))?;
        if matches!(lock, Lock::Busy) {
            return Err(in_use(store).await?);
        }
        let me = Header {
            tablehaul_journal: journal::VERSION,
            number: last,
            run: uuid::Uuid::new_v4().to_string(),
            host: host::name(),
            pid: std::process::id(),
            at: String::new(),
            machine: process_identity::machine(),
        };
        let folder = store.held_by(&lock);
        let journal = folder.within(layout::JOURNAL);
        let (place, size, written_at) = (store.display(), Size::default(), Instant::now());
        let before = String::new();
        let longest = JOURNAL_OBJECT;
        Ok(Self { folder, journal, place, me, before, oldest, size, longest, written_at, lock })
    }

    /// The folder. It writes and removes nothing unless it is still the one that was locked.
    pub(super) fn folder(&self) -> &Store {
        &self.folder
    }

    /// Whether the folder is locked, so that no other process can acquire it while this one lives.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self.lock, Lock::Held(_))
    }

    /// Whether objects before the last one may exist.
    pub(super) fn has_several(&self) -> bool {
        self.oldest < self.me.number
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Writes the first object.
    ///
    /// # Errors
    /// Fails with `FailureKind::Refused` if another job has begun there and its first object is already gone. See also
    /// [`append`](Self::append).
    pub(super) async fn begin(&mut self, facts: &[Fact], limit: Duration) -> Result<(), Failure> {
        self.append(facts, limit).await?;
        let numbers = read::numbers(&self.journal).await.map_err(|fault| Failure::refused(&fault))?;
        if stands_alone(numbers, self.me.number) {
            return Ok(());
        }
        for number in self.oldest..=self.me.number {
            let name = layout::journal_object(number);
            Policy::Patient
                .retry(|| self.journal.remove(&name))
                .await
                .map_err(|fault| Failure::refused(&fault))?;
        }
        Err(in_use(&self.folder).await?)
    }

    /// Writes the next object.
    ///
    /// # Errors
    /// Fails with `FailureKind::Superseded` if another coordinator has written an object since, or if the folder is no
    /// longer the one that was locked. Fails if it can't be written, or not within `limit`.
    pub(super) async fn append(&mut self, facts: &[Fact], limit: Duration) -> Result<(), Failure> {
        let since = Instant::now();
        let (number, length) = loop {
            let number = self.me.number + 1;
            let bytes = self.object(number, facts);
            let length = bytes.len() as u64;
            let created = self.create(number, bytes, limit).await?;
            self.me.number = number;
            if created == Created::Now {
                break (number, length);
            }
            self.before.clone_from(&self.me.run);
        };
        let before = std::mem::replace(&mut self.before, self.me.run.clone());
        if number > self.oldest {
            let last = self.header(number - 1).await?;
            if last.as_ref().is_none_or(|last| last.run != before) {
                self.check_place().await?;
                // This number was free only because somebody has removed the journal, or replaced all objects up to it.
                let removed = self.journal.remove(&layout::journal_object(number)).await;
                let left = removed.err().map(|fault| format!("; {fault}")).unwrap_or_default();
                let why = if before == self.me.run { self.lost(last) } else { changed_text(&self.place) };
                return Err(Failure::superseded(why + &left));
            }
        }
        self.size.objects += 1;
        self.size.bytes += length;
        debug!(
            number,
            bytes = length,
            facts = facts.len(),
            took_ms = since.elapsed().as_millis(),
            "object written"
        );
        self.written_at = Instant::now();
        Ok(())
    }

    fn object(&self, number: u64, facts: &[Fact]) -> Vec<u8> {
        let header = Header { number, at: Timestamp::now().to_string(), ..self.me.clone() };
        let mut writer = Writer::new(&header);
        for fact in facts {
            writer.fact(fact);
        }
        writer.finish()
    }

    async fn create(&self, number: u64, bytes: Vec<u8>, limit: Duration) -> Result<Created, Failure> {
        let name = layout::journal_object(number);
        let create = || async {
            let mut created = self.journal.create(&name, bytes.clone()).await;
            if created.as_ref().is_err_and(|fault| fault.kind == FaultKind::PreconditionFailed) {
                created = match self.journal.get(&name).await {
                    Ok(there) => match claim(&there, &bytes, &self.me.run) {
                        Existing::Identical => Ok(()),
                        Existing::OwnEarlier => return Ok(Ok(Created::Before)),
                        Existing::Foreign => return Ok(Err(self.superseded(&there))),
                    },
                    // The store refused it for another reason, such as an earlier try still in flight.
                    Err(fault) if fault.kind == FaultKind::NotFound => {
                        Err(Fault::new(FaultKind::Transient, fault.message))
                    }
                    Err(fault) => Err(fault),
                };
            }
            created.map(|()| Ok(Created::Now))
        };
        let policy = Policy::Within { limit, pause: APPEND_PAUSE };
        match Box::pin(policy.retry(create)).await {
            Ok(created) => created,
            Err(fault) if fault.kind == FaultKind::Moved => Err(Failure::failed(&fault)),
            Err(fault) => Err(Failure::failed(format!("the journal can't be written: {}", fault.message))),
        }
    }

    /// The failure that names the writer of this object as the one that has taken over.
    fn superseded(&self, object: &[u8]) -> Failure {
        let by =
            journal::header(object).map_or_else(|_| "another coordinator".into(), |header| owner(&header));
        let left = "this job has stopped and changes nothing more";
        Failure::superseded(format!("{} has been taken over by {by}: {left}", self.place))
    }

    /// The message if the last object of this run is not there, and in its place the object with this header, if any.
    fn lost(&self, instead: Option<Header>) -> String {
        let left = "this job has stopped and changes nothing more";
        if let Some(other) = instead {
            return format!("{} has been taken over by {}: {left}", self.place, owner(&other));
        }
        let gone = format!("{}: the journal of this job is gone or damaged", self.place);
        // Nobody takes over as long as the lock is held.
        let by = if self.is_locked() {
            "somebody has removed or changed it"
        } else {
            "another coordinator has taken over and ended the job, or somebody has removed the journal"
        };
        format!("{gone}: {by}; {left}; `tablehaul status {}` says what is there", self.place)
    }

    /// The header of an object, if it exists and can be read.
    async fn header(&self, number: u64) -> Result<Option<Header>, Failure> {
        read::header(&self.journal, number).await.map_err(|fault| Failure::failed(&fault))
    }

    /// Makes sure that the folder is still the one that was locked.
    pub(super) async fn check_place(&self) -> Result<(), Failure> {
        self.folder.check_place().await.map_err(|fault| Failure::failed(&fault))
    }

    /// Makes sure that no other coordinator has written an object since.
    pub(super) async fn check_ours(&self) -> Result<(), Failure> {
        self.check_place().await?;
        let next = layout::journal_object(self.me.number + 1);
        let found = Policy::Patient
            .retry(|| self.journal.look_up(&next))
            .await
            .map_err(|fault| Failure::failed(&fault))?;
        let Some(object) = found else { return Ok(()) };
        // Whatever it holds, this run did not write it.
        let head = self.journal.head(&object, journal::MAX_HEADER_BYTES as u64).await.unwrap_or_default();
        Err(self.superseded(&head))
    }

    /// Whether the folder is locked and `last` is still the last object. Then no other coordinator can have taken over
    /// since `last` was written, and none can as long as this process holds the lock.
    ///
    /// # Errors
    /// Fails with `FailureKind::Superseded` if one has.
    pub(super) async fn check_still_last(&self, last: &Header) -> Result<bool, Failure> {
        if !self.is_locked() || self.me.number != last.number {
            return Ok(false);
        }
        self.check_ours().await?;
        if self.header(last.number).await?.is_some_and(|header| header.run == last.run) {
            return Ok(true);
        }
        Err(Failure::superseded(changed_text(&self.place)))
    }

    /// Whether a snapshot of these facts is short enough to be read again.
    pub(super) fn can_be_read(&self, facts: &[Fact]) -> bool {
        self.object(self.me.number + 1, facts).len() as u64 <= self.longest
    }

    /// Writes a snapshot as the next object, and removes the objects before it.
    pub(super) async fn compact(&mut self, facts: &[Fact], limit: Duration) -> Result<(), Failure> {
        let before = self.size.bytes;
        self.append(facts, limit).await?;
        self.size = Size { objects: 0, bytes: 0, snapshot_bytes: self.size.bytes - before };
        // Removed in the order of their numbers: as long as the object before one's own last one exists, nobody else
        // has written and removed the next one. An object that can't be removed now is removed with the next snapshot.
        // Their numbers may have gaps.
        let numbers = read::numbers(&self.journal).await.unwrap_or_default();
        for number in numbers.into_iter().filter(|&number| number < self.me.number) {
            if self.journal.remove(&layout::journal_object(number)).await.is_err() {
                return Ok(());
            }
            self.oldest = number + 1;
        }
        Ok(())
    }

    /// Like [`compact`](Self::compact), but only appends `news` if the snapshot would be too long to be read again.
    /// `news` are the facts that no object contains yet.
    pub(super) async fn compact_or_append(
        &mut self,
        facts: &[Fact],
        news: &[Fact],
        limit: Duration,
    ) -> Result<(), Failure> {
        // The journal contains all facts but the news, so its size tells whether it is worth measuring the snapshot.
        let said = self.size.snapshot_bytes + self.size.bytes;
        if said > self.longest / 2 {
            let length = self.object(self.me.number + 1, facts).len() as u64;
            if length > self.longest {
                self.append(news, limit).await?;
                self.size = Size { objects: 0, bytes: 0, snapshot_bytes: length };
                return Ok(());
            }
        }
        self.compact(facts, limit).await
    }

    /// Removes all objects up to the last one that this run wrote, and releases the folder.
    pub(super) async fn remove(&mut self) -> Result<(), Fault> {
        self.folder.check_place().await?;
        let numbers = read::numbers(&self.journal).await?;
        let (mut last, next) = (self.me.number, self.me.number + 1);
        // The next object is also this run's if it was written but the reply was lost.
        if numbers.contains(&next)
            && read::header(&self.journal, next).await?.is_some_and(|header| header.run == self.me.run)
        {
            last = next;
        }
        // The status belongs to the journal, and only its owner may remove it. Something else in its place is no reason
        // to keep the journal.
        if let Err(fault) = Policy::Patient.retry(|| self.folder.remove(layout::STATUS)).await {
            match self.folder.look_up(layout::STATUS).await {
                Ok(None) => info!(why = fault.message, "in the place of the status is something else"),
                _ => return Err(fault),
            }
        }
        for number in numbers.into_iter().filter(|&number| number <= last) {
            if !self.is_locked() && self.written_at.elapsed() > REMOVAL_LIMIT {
                let why = format!("{}: removing the journal took too long, so it is still there", self.place);
                return Err(Fault::new(FaultKind::Transient, why));
            }
            let name = layout::journal_object(number);
            Policy::Patient.retry(|| self.journal.remove(&name)).await?;
        }
        self.release().await;
        info!(folder = self.place, "journal removed");
        Ok(())
    }

    /// Releases the folder for others.
    pub(super) async fn release(&mut self) {
        let lock = std::mem::replace(&mut self.lock, Lock::None);
        self.folder.release(lock).await;
        self.folder = self.folder.held_by(&self.lock);
        self.journal = self.folder.within(layout::JOURNAL);
    }
}

/// The failure if another job has acquired the folder. Names it if it has written an object.
async fn in_use(store: &Store) -> Result<Failure, Failure> {
    Ok(Failure::refused(match read::last_header(store).await? {
        Some(header) => format!("{} is in use by {}", store.display(), owner(&header)),
        None => format!("another job has just started in {}", store.display()),
    }))
}

#[cfg(test)]
mod tests;
