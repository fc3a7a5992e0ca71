//! A store that fails, or never returns, at one of its calls: for tests that try every call. Each call is also a point
//! of [`hooks`], at which a test of the program may have it killed.

#![cfg_attr(not(test), allow(dead_code, reason = "unit tests use more of it than a debug build"))]

use std::{
    future::pending,
    io,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use engine::part_files::PartFile;
use job::{
    ids::{JobId, UploadId},
    layout::PartName,
    target::Target,
};
use job_aws::{Fault, FaultKind};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    Entry, Listing, Lock, LostFile, Store,
    storage::{Readable, Storage},
};

/// More calls than ever run at once.
const MANY: u32 = 1000;

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fails {
    /// It fails without being made.
    Unmade,
    /// It is made, but fails, as if its reply were lost.
    Unanswered,
    /// It and every later call fail without being made, as on a disk that is gone.
    Forever,
    /// The process is killed before it: it and every later call are not made and never return.
    KilledBefore,
    /// The process is killed after it: it is made, but neither it nor any later call returns.
    KilledAfter,
}

impl Fails {
    pub(crate) const ALL: [Self; 5] =
        [Self::Unmade, Self::Unanswered, Self::Forever, Self::KilledBefore, Self::KilledAfter];

    /// Whether every later call is disturbed as well.
    fn lasts(self) -> bool {
        matches!(self, Self::Forever | Self::KilledBefore | Self::KilledAfter)
    }
}

/// Which call of a store fails and how. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Faults(Arc<FaultPlan>);

#[derive(Debug)]
struct FaultPlan {
    /// Only calls of this name count.
    only: Option<String>,
    /// The number of the call, from 1.
    at: u64,
    fails: Fails,
    calls: AtomicU64,
    /// The name of the call that failed.
    hit: Mutex<Option<&'static str>>,
    /// Each call that is made has a permit meanwhile.
    running: Semaphore,
    killed: CancellationToken,
}

impl Faults {
    /// Call number `at`, from 1, fails so.
    pub(crate) fn new(at: u64, fails: Fails) -> Self {
        Self::plan(None, at, fails)
    }

    /// The same, if only calls of this name are counted.
    pub(crate) fn of_calls(name: &str, at: u64, fails: Fails) -> Self {
        Self::plan(Some(name.to_owned()), at, fails)
    }

    /// No call fails.
    #[cfg(debug_assertions)]
    fn none() -> Self {
        Self::new(u64::MAX, Fails::Unmade)
    }

    fn plan(only: Option<String>, at: u64, fails: Fails) -> Self {
        Self(Arc::new(FaultPlan {
            only,
            at,
            fails,
            calls: AtomicU64::new(0),
            hit: Mutex::new(None),
            running: Semaphore::new(MANY as usize),
            killed: CancellationToken::new(),
        }))
    }

    /// The store with these faults.
    pub(crate) fn of(&self, inner: Store) -> Store {
        Faulty { inner, faults: self.clone() }.into()
    }

    /// The name of the call that has failed, if any has.
    pub(crate) fn hit(&self) -> Option<&'static str> {
        *self.0.hit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the process would be dead and no call is running.
    pub(crate) async fn killed(&self) {
        self.0.killed.cancelled().await;
        // It fails only if the semaphore is closed, which nobody does.
        let _ = self.0.running.acquire_many(MANY).await;
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let plan = &*self.0;
        let counts = plan.only.as_ref().is_none_or(|only| only == name);
        let before = plan.calls.fetch_add(u64::from(counts), Ordering::SeqCst);
        let number = before + u64::from(counts);
        let is_it = counts && number == plan.at;
        if is_it {
            *plan.hit.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
        }
        let is_after = !is_it && number >= plan.at && plan.fails.lasts();
        if !is_it && !is_after {
            let _running = plan.running.acquire().await;
            hooks::before(name).await;
            let done = call.await;
            hooks::after(name).await;
            return done;
        }
        match plan.fails {
            Fails::Unmade | Fails::Forever => {}
            Fails::Unanswered => drop(call.await),
            Fails::KilledBefore | Fails::KilledAfter => {
                if is_it && plan.fails == Fails::KilledAfter {
                    drop(call.await);
                }
                plan.killed.cancel();
                pending::<()>().await;
            }
        }
        Err(Fault::new(FaultKind::Refused, format!("call {number}, {name}, fails as the test asks")))
    }
}

/// The store, with its calls as points of [`hooks`] if a test asks for one.
#[cfg(debug_assertions)]
pub(super) fn with_points(store: Store) -> Store {
    if hooks::is_asked() { Faults::none().of(store) } else { store }
}

/// A store with faults.
#[derive(Debug)]
struct Faulty {
    inner: Store,
    faults: Faults,
}

#[tonic::async_trait]
impl Storage for Faulty {
    fn target(&self) -> Target {
        self.inner.target()
    }

    fn is_on_file_system(&self) -> bool {
        self.inner.is_on_file_system()
    }

    fn within(&self, folder: &str) -> Store {
        self.faults.of(self.inner.within(folder))
    }

    fn at(&self, folder: &Target) -> Store {
        self.faults.of(self.inner.at(folder))
    }

    fn held_by(&self, lock: &Lock) -> Store {
        self.faults.of(self.inner.held_by(lock))
    }

    fn read_fault(&self, name: &str, error: io::Error) -> Fault {
        self.inner.read_fault(name, error)
    }

    async fn check(&self) -> Result<(), Fault> {
        self.faults.call("check", self.inner.check()).await
    }

    async fn list(&self) -> Result<Vec<String>, Fault> {
        self.faults.call("list", self.inner.list()).await
    }

    async fn listing(&self) -> Result<Listing, Fault> {
        self.faults.call("listing", self.inner.listing()).await
    }

    async fn each(&self, see: &mut (dyn FnMut(Entry) + Send)) -> Result<(), Fault> {
        self.faults.call("each", self.inner.each(see)).await
    }

    async fn entry(&self, name: &str) -> Result<Option<Entry>, Fault> {
        self.faults.call("entry", self.inner.entry(name)).await
    }

    async fn is_object(&self, name: &str) -> Result<bool, Fault> {
        self.faults.call("is_object", self.inner.is_object(name)).await
    }

    async fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        self.faults.call("age", self.inner.age(name)).await
    }

    async fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        self.faults.call("get", self.inner.get(name)).await
    }

    async fn head(&self, object: &Entry, limit: u64) -> Result<Bytes, Fault> {
        self.faults.call("head", self.inner.head(object, limit)).await
    }

    async fn open_to_read(&self, object: &Entry) -> Result<Readable, Fault> {
        self.faults.call("open_to_read", self.inner.open_to_read(object)).await
    }

    async fn get_range(&self, object: &Entry, range: Range<u64>) -> Result<Bytes, Fault> {
        self.faults.call("get_range", self.inner.get_range(object, range)).await
    }

    async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        self.faults.call("create", self.inner.create(name, bytes)).await
    }

    async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        self.faults.call("replace", self.inner.replace(name, bytes)).await
    }

    async fn remove(&self, name: &str) -> Result<(), Fault> {
        self.faults.call("remove", self.inner.remove(name)).await
    }

    async fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        self.faults.call("remove_same", self.inner.remove_same(name, bytes)).await
    }

    async fn open(&self, name: &PartName) -> Result<UploadId, Fault> {
        self.faults.call("open", self.inner.open(name)).await
    }

    async fn fence(&self, file: &PartFile) -> Result<(), Fault> {
        self.faults.call("fence", self.inner.fence(file)).await
    }

    async fn complete(&self, file: &PartFile) -> Result<(), Fault> {
        self.faults.call("complete", self.inner.complete(file)).await
    }

    async fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        self.faults.call("abort", self.inner.abort(file, may_be_complete)).await
    }

    async fn abort_all(&self, job: &JobId) -> Result<usize, Fault> {
        self.faults.call("abort_all", self.inner.abort_all(job)).await
    }

    async fn lost(
        &self,
        job: &JobId,
        files: &[PartFile],
        may_be_complete: bool,
    ) -> Result<Option<LostFile>, Fault> {
        self.faults.call("lost", self.inner.lost(job, files, may_be_complete)).await
    }

    async fn check_hidden(&self, files: &[PartFile]) -> Result<(), Fault> {
        self.faults.call("check_hidden", self.inner.check_hidden(files)).await
    }

    async fn remove_empty_folders(&self) {
        let removed = async {
            self.inner.remove_empty_folders().await;
            Ok(())
        };
        let _ = self.faults.call("remove_empty_folders", removed).await;
    }

    async fn lock(&self) -> Result<Lock, Fault> {
        self.faults.call("lock", self.inner.lock()).await
    }

    async fn lock_existing(&self) -> Result<Lock, Fault> {
        self.faults.call("lock_existing", self.inner.lock_existing()).await
    }

    async fn probe_lock(&self) -> Result<Lock, Fault> {
        self.faults.call("probe_lock", self.inner.probe_lock()).await
    }

    async fn check_place(&self) -> Result<(), Fault> {
        self.faults.call("check_place", self.inner.check_place()).await
    }

    async fn release(&self, lock: Lock) {
        let released = async {
            self.inner.release(lock).await;
            Ok(())
        };
        let _ = self.faults.call("release", released).await;
    }
}

/// Runs `job` on a prepared folder with a fault at its first call, then again on another with one at its second call,
/// and so on, until a run makes no such call. After each run, `then` gets the folder, the outcome (`None` if the
/// process was killed) and where it failed.
#[cfg(test)]
pub(crate) async fn at_every_call<T>(
    prepare: impl AsyncFn(&Store),
    job: impl AsyncFn(&Store) -> T,
    then: impl AsyncFn(&Store, Option<T>, &str),
) {
    for fails in Fails::ALL {
        for at in 1.. {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let target = Target::File { dir: folder.path().join("backup") };
            let store = Store::reading(&target, None).expect("a folder needs no clients");
            prepare(&store).await;
            let faults = Faults::new(at, fails);
            let failing = faults.of(store.clone());
            let outcome = tokio::select! {
                outcome = job(&failing) => Some(outcome),
                () = faults.killed() => None,
            };
            drop(failing);
            // Tasks of the killed job are dropped when the runtime next comes by, and with them its lock.
            while matches!(store.probe_lock().await, Ok(Lock::Busy)) {
                tokio::task::yield_now().await;
            }
            let place = format!("{fails:?} at call {at}, {}", faults.hit().unwrap_or("which was not made"));
            then(&store, outcome, &place).await;
            if faults.hit().is_none() {
                break;
            }
        }
    }
}
