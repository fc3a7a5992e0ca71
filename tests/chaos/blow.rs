//! What strikes a job.

use crate::plan::Table;
use crate::world::{Server, World};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};
use std::thread::sleep;
use std::time::Duration;
use tests_support::Dice;
use tests_support::process::send;
use tests_support::proxy::Passage;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    KillWorker,
    KillAllWorkers,
    StopWorker,
    StopCoordinator,
    /// A worker dies while the coordinator stands still.
    KillWorkerUnseen,
    KillCoordinator,
    KillEverything,
    Terminate,
    /// The same command is given a second time while it runs.
    Rival,
    /// And the first one stands still until the second has taken over, or been refused.
    RivalOfAStopped,
    /// A server is killed and is back after a while.
    Kill(Server),
    /// Nothing reaches a server for a while: connections are closed, …
    Cut(Server),
    /// … or stay, and nothing passes.
    Hold(Server),
}

/// A job that is struck.
pub(crate) struct Victim {
    pub(crate) coordinator: i32,
    pub(crate) workers: Vec<i32>,
}

impl Blow {
    /// What can come, the more likely ones several times.
    pub(crate) fn choices(table: Table, has_s3: bool) -> Vec<Self> {
        let dynamo = Server::DynamoDb;
        let mut choices = vec![
            Self::KillWorker,
            Self::KillWorker,
            Self::KillWorker,
            Self::KillAllWorkers,
            Self::StopWorker,
            Self::StopCoordinator,
            Self::KillWorkerUnseen,
            Self::KillCoordinator,
            Self::KillCoordinator,
            Self::KillEverything,
            Self::Terminate,
            Self::Rival,
            Self::Cut(dynamo),
            Self::Hold(dynamo),
        ];
        if table == Table::Dynoxide {
            choices.extend([Self::Kill(dynamo); 3]);
        }
        if has_s3 {
            choices.extend([Self::Kill(Server::S3), Self::Cut(Server::S3), Self::Hold(Server::S3)]);
            choices.extend([Self::Kill(Server::S3), Self::RivalOfAStopped]);
        }
        choices
    }

    /// Strikes all but rivals, which are started by whoever runs the job. Returns how many workers were killed.
    pub(crate) fn strike(self, world: &mut World, victim: &Victim, dice: &mut Dice) -> u64 {
        let Victim { coordinator, ref workers } = *victim;
        let one = (!workers.is_empty()).then(|| dice.one_of(workers));
        let a_while = Duration::from_millis(dice.below(2_500));
        let kill = |pids: &[i32]| {
            for &pid in pids {
                send(pid, SIGKILL);
            }
            pids.len() as u64
        };
        match (self, one) {
            (Self::KillWorker, Some(one)) => return kill(&[one]),
            (Self::KillAllWorkers, _) => return kill(workers),
            (Self::StopWorker, Some(one)) => stop_for(one, a_while, || {}),
            (Self::StopCoordinator, _) => stop_for(coordinator, a_while, || {}),
            (Self::KillWorkerUnseen, Some(one)) => {
                stop_for(coordinator, a_while, || send(one, SIGKILL));
                return 1;
            }
            (Self::KillCoordinator, _) => send(coordinator, SIGKILL),
            (Self::KillEverything, _) => {
                send(coordinator, SIGKILL);
                return kill(workers);
            }
            (Self::Terminate, _) => send(coordinator, SIGTERM),
            (Self::Kill(server), _) => {
                world.kill(server);
                sleep(a_while);
                world.start_again(server);
            }
            (Self::Cut(server), _) => shut_for(world, server, Passage::Cut, a_while * 2),
            (Self::Hold(server), _) => shut_for(world, server, Passage::Held, a_while * 2),
            (Self::KillWorker | Self::StopWorker | Self::KillWorkerUnseen, None)
            | (Self::Rival | Self::RivalOfAStopped, _) => {}
        }
        0
    }
}

fn stop_for(pid: i32, a_while: Duration, meanwhile: impl FnOnce()) {
    send(pid, SIGSTOP);
    sleep(a_while / 2);
    meanwhile();
    sleep(a_while / 2);
    send(pid, SIGCONT);
}

fn shut_for(world: &World, server: Server, passage: Passage, a_while: Duration) {
    world.network(server).set(passage);
    sleep(a_while);
    world.network(server).set(Passage::Open);
}
