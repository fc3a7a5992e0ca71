//! moto as a second `DynamoDB`, written by others in another language: no test of items rests on the habits of
//! one emulator. It reports a consumed capacity of 1.0 whatever a call did, and needs Python to run.

use crate::installed::{Installed, installed};
use std::process::Command;

/// A running `moto_server` without tables; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Moto {
    server: Installed,
}

impl Moto {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it isn't installed or doesn't start.
    #[track_caller]
    pub fn start() -> Self {
        let binary = installed("moto", "moto/bin/moto_server");
        let server = Installed::start(|address, _| {
            let mut command = Command::new(&binary);
            command.args(["-H", &address.ip().to_string(), "-p", &address.port().to_string()]);
            command
        });
        Self { server }
    }

    /// Its URL, for `--dynamodb-endpoint`.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }
}
