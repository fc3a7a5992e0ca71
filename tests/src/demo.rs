//! `demo-dynamodb` as tests use it: a whole `DynamoDB` emulator. It never throttles and reports no table size;
//! for capacity there is [`Fake`](crate::Fake).

use crate::process::Server;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A running `demo-dynamodb`; it is stopped when this is dropped.
#[derive(Debug)]
pub struct DemoDynamo {
    server: Server,
    database: Option<PathBuf>,
}

const PATIENCE: Duration = Duration::from_mins(2);

impl DemoDynamo {
    /// Starts it with these arguments (on a free port if they name none) and waits until it has loaded its
    /// data and listens.
    ///
    /// # Panics
    /// When it is missing or doesn't start within two minutes.
    #[track_caller]
    pub fn start<I>(args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Self { server: Server::start("demo-dynamodb", args, PATIENCE), database: None }
    }

    /// Starts it on a database file, which is made if it isn't there.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[track_caller]
    pub fn on_disk(database: &Path) -> Self {
        Self { server: serve(database, 0), database: Some(database.to_owned()) }
    }

    /// Kills it. Its files stay for [`start_again`](Self::start_again).
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again at the same address, with what it had on disk.
    ///
    /// # Panics
    /// As [`start`](Self::start), or when it had nothing on disk.
    #[track_caller]
    pub fn start_again(&mut self) {
        let database = self.database.as_ref().expect("it was started with a database on disk");
        self.server = serve(database, self.server.address().port());
    }

    /// Its URL, for `--dynamodb-endpoint`.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.server.id()
    }
}

#[track_caller]
fn serve(database: &Path, port: u16) -> Server {
    let port = port.to_string();
    let args = ["--db".as_ref(), database.as_os_str(), "--port".as_ref(), port.as_ref()];
    Server::start("demo-dynamodb", args, PATIENCE)
}
