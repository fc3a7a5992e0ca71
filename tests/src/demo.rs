//! `demo-dynamodb` as tests use it: a whole `DynamoDB` emulator. It never throttles and reports no table size;
//! for capacity there is [`Fake`](crate::Fake).

use crate::process::Server;
use std::ffi::OsStr;
use std::time::Duration;

/// A running `demo-dynamodb`; it is stopped when this is dropped.
#[derive(Debug)]
pub struct DemoDynamo {
    server: Server,
}

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
        Self { server: Server::start("demo-dynamodb", args, Duration::from_mins(2)) }
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
