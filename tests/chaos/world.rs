//! The servers of a round, the network in front of them, and the command that runs against them.

use crate::plan::{Job, Location, Plan, RATES, Table};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;
use tests_support::command::Tablehaul;
use tests_support::proxy::{NetworkFaults, Traffic};
use tests_support::{BackupWriter, DemoDynamo, DynamoDb, Fake, Proxy, Rng, S3};

pub(crate) const TABLE: &str = "Forum";
/// The bucket of everything in S3.
pub(crate) const BUCKET: &str = "chaos";
const KEY: [(&str, &str); 2] = [("pk", "S"), ("sk", "N")];
/// Large, so that workers write several durable parts.
const ITEM_BYTES: u64 = 2_000;
/// Imported items are smaller.
const ITEMS_PER_FILE: usize = 3_000;

/// One of the servers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Server {
    DynamoDb,
    S3,
}

enum Dynamo {
    Fake(Fake),
    Dynoxide(DemoDynamo),
}

/// Everything that a round needs.
pub(crate) struct World {
    dynamo: Dynamo,
    s3: Option<S3>,
    to_dynamo: Proxy,
    to_s3: Option<Proxy>,
    dir: TempDir,
    job: Job,
    backup: Location,
    num_items: u64,
}

/// A database of dynoxide with the items that exports read. It is filled once.
static FILLED: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let dynoxide = DemoDynamo::on_disk(&dir.path().join("db"));
    DynamoDb::at(&dynoxide.endpoint()).create_table(TABLE, &KEY);
    let backup = dir.path().join("backup");
    BackupWriter::new(num_items(Table::Dynoxide)).item_bytes(ITEM_BYTES).java_tool(&backup);
    Tablehaul::import(&backup, TABLE, &dynoxide.endpoint())
        .args(["--region", "us-east-1", "--write-units", "1000000"])
        .run()
        .succeeded();
    dir
});

/// Enough for a few seconds of work; dynoxide is slower.
fn num_items(table: Table) -> u64 {
    match table {
        Table::Fake => 30_000,
        Table::Dynoxide => 9_000,
    }
}

impl World {
    #[track_caller]
    pub(crate) fn new(plan: &Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let num_items = num_items(plan.table);
        let dynamo = match plan.table {
            Table::Fake => Dynamo::Fake(fake(plan, num_items)),
            Table::Dynoxide => Dynamo::Dynoxide(dynoxide(plan.job, dir.path())),
        };
        let s3 = plan.has_s3().then(S3::start);
        let network = |endpoint: &str| Proxy::start(endpoint, plan.network_faults, Rng::new(plan.seed));
        let to_dynamo = network(&match &dynamo {
            Dynamo::Fake(fake) => fake.endpoint(),
            Dynamo::Dynoxide(dynoxide) => dynoxide.endpoint(),
        });
        let to_s3 = s3.as_ref().map(|s3| network(&s3.endpoint()));
        let world = Self { dynamo, s3, to_dynamo, to_s3, dir, job: plan.job, backup: plan.backup, num_items };
        if let Some(s3) = &world.s3 {
            s3.create_bucket(BUCKET);
        }
        if let Job::Import(_) = plan.job {
            world.write_backup();
        }
        world
    }

    /// The backup that an import reads.
    fn write_backup(&self) {
        BackupWriter::new(self.num_items).items_per_file(ITEMS_PER_FILE).java_tool(&self.folder());
        if let (Location::S3, Some(s3)) = (self.backup, &self.s3) {
            s3.upload(BUCKET, "backup/", &self.folder());
        }
    }

    /// The command of this round, with these arguments.
    pub(crate) fn command(&self, args: &str) -> Tablehaul {
        let backup = self.url(self.backup, "backup");
        let command = match self.job {
            Job::Export => Tablehaul::new(["export", TABLE, &backup, "--if-complete", "skip"]),
            Job::Import(None) => Tablehaul::new(["import", &backup, TABLE]),
            Job::Import(Some(state)) => {
                Tablehaul::new(["import", &backup, TABLE, "--state", &self.url(state, "state")])
            }
        };
        self.at(command.args(["--dynamodb-endpoint", &self.to_dynamo.endpoint(), "--json"]))
            .args(args.split_whitespace())
    }

    /// A command that knows where S3 is, if there is one.
    pub(crate) fn at(&self, command: Tablehaul) -> Tablehaul {
        let command = command.args(["--region", "us-east-1"]);
        match &self.to_s3 {
            Some(to_s3) => command.args(["--s3-endpoint", &to_s3.endpoint()]),
            None => command,
        }
    }

    fn url(&self, location: Location, name: &str) -> String {
        match location {
            Location::Folder => self.dir.path().join(name).to_string_lossy().into_owned(),
            Location::S3 => format!("s3://{BUCKET}/{name}"),
        }
    }

    /// Where the backup is.
    pub(crate) fn backup(&self) -> String {
        self.url(self.backup, "backup")
    }

    /// The backup as a local folder: a copy, if it is in S3.
    #[track_caller]
    pub(crate) fn local_backup(&self) -> PathBuf {
        if let (Location::S3, Some(s3)) = (self.backup, &self.s3) {
            // Objects of an earlier download may be gone.
            let _ = fs::remove_dir_all(self.folder());
            s3.download(BUCKET, "backup/", &self.folder());
        }
        self.folder()
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("backup")
    }

    /// What is left of the state of an import.
    pub(crate) fn names_of_state(&self) -> Vec<String> {
        match (self.job, &self.s3) {
            (Job::Import(Some(Location::S3)), Some(s3)) => {
                s3.objects(BUCKET).into_iter().filter(|key| key.starts_with("state/")).collect()
            }
            _ => tests_support::backup::names(&self.dir.path().join("state")).into_iter().collect(),
        }
    }

    pub(crate) fn s3(&self) -> Option<&S3> {
        self.s3.as_ref()
    }

    pub(crate) fn num_items(&self) -> u64 {
        self.num_items
    }

    /// The table of the fake, if that is where it is.
    pub(crate) fn fake(&self) -> Option<&Fake> {
        match &self.dynamo {
            Dynamo::Fake(fake) => Some(fake),
            Dynamo::Dynoxide(_) => None,
        }
    }

    /// The items of the table of dynoxide.
    #[track_caller]
    pub(crate) fn items(&self) -> Vec<Value> {
        match &self.dynamo {
            Dynamo::Fake(_) => Vec::new(),
            Dynamo::Dynoxide(dynoxide) => DynamoDb::at(&dynoxide.endpoint()).items(TABLE),
        }
    }

    pub(crate) fn kill(&mut self, server: Server) {
        match (server, &mut self.dynamo, &mut self.s3) {
            (Server::DynamoDb, Dynamo::Dynoxide(dynoxide), _) => dynoxide.kill(),
            (Server::S3, _, Some(s3)) => s3.kill(),
            _ => unreachable!("no such server is in this round"),
        }
    }

    pub(crate) fn start_again(&mut self, server: Server) {
        match (server, &mut self.dynamo, &mut self.s3) {
            (Server::DynamoDb, Dynamo::Dynoxide(dynoxide), _) => dynoxide.start_again(),
            (Server::S3, _, Some(s3)) => s3.start_again(),
            _ => unreachable!("no such server is in this round"),
        }
    }

    /// What leads to a server.
    pub(crate) fn network(&self, server: Server) -> &Proxy {
        match (server, &self.to_s3) {
            (Server::DynamoDb, _) => &self.to_dynamo,
            (Server::S3, Some(to_s3)) => to_s3,
            (Server::S3, None) => unreachable!("no S3 is in this round"),
        }
    }

    /// Ends all faults.
    pub(crate) fn stop_faults(&self) {
        for network in [Some(&self.to_dynamo), self.to_s3.as_ref()].into_iter().flatten() {
            network.change(NetworkFaults::default());
            network.set(Traffic::Open);
        }
        if let Dynamo::Fake(fake) = &self.dynamo {
            let none = RATES.map(|fault| (fault.to_owned(), json!(0)));
            fake.faults(Value::Object(none.into_iter().collect()));
        }
    }

    /// Where everything is on disk.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Keeps all files for inspection.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        if let Some(s3) = &self.s3 {
            s3.save(&self.dir.path().join("s3"));
        }
        self.dir.path().to_owned()
    }
}

fn fake(plan: &Plan, num_items: u64) -> Fake {
    let table = match plan.job {
        Job::Export => format!("{TABLE}:items={num_items},item-bytes={ITEM_BYTES}"),
        Job::Import(_) => format!("{TABLE}:sink=1"),
    };
    Fake::start(["--table", &table, "--faults", &plan.faults.to_string(), "--seed", &plan.seed.to_string()])
}

/// A dynoxide with the items to export, or with an empty table to import into.
fn dynoxide(job: Job, dir: &Path) -> DemoDynamo {
    let database = dir.join("db");
    if job == Job::Export {
        for entry in fs::read_dir(FILLED.path()).unwrap().flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
            }
        }
        return DemoDynamo::on_disk(&database);
    }
    let dynoxide = DemoDynamo::on_disk(&database);
    DynamoDb::at(&dynoxide.endpoint()).create_table(TABLE, &KEY);
    dynoxide
}
