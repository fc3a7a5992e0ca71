//! What is done to a running job.

use crate::plan::Table;
use crate::world::{Server, World};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP, SIGTERM};
use std::thread::sleep;
use std::time::Duration;
use tests_support::Rng;
use tests_support::process::send;
use tests_support::proxy::Traffic;

/// One attack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attack {
    KillWorker,
    KillAllWorkers,
    StopWorker,
    StopCoordinator,
    /// A worker is killed while the coordinator is stopped.
    KillWorkerUnseen,
    KillCoordinator,
    KillEverything,
    Terminate,
    /// The same command is started a second time while the first one runs.
    Rival,
    /// The same, and the first command is stopped until the second one has taken over or was refused.
    RivalOfStopped,
    /// A server is killed and started again.
    Kill(Server),
    /// No request reaches a server for some time: connections are closed.
    Cut(Server),
    /// The same, but connections stay open.
    Hold(Server),
}

/// The processes of a running job.
pub(crate) struct Processes {
    pub(crate) coordinator: i32,
    pub(crate) workers: Vec<i32>,
}

impl Attack {
    /// The possible attacks; likely ones are listed several times.
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
            choices.extend([Self::Kill(Server::S3), Self::RivalOfStopped]);
        }
        choices
    }

    /// Carries out the attack, except for rivals, which `round` starts. Returns the number of workers killed.
    pub(crate) fn carry_out(self, world: &mut World, processes: &Processes, rng: &mut Rng) -> u64 {
        let Processes { coordinator, ref workers } = *processes;
        let one = (!workers.is_empty()).then(|| rng.one_of(workers));
        let duration = Duration::from_millis(rng.below(2_500));
        let kill = |pids: &[i32]| {
            for &pid in pids {
                send(pid, SIGKILL);
            }
            pids.len() as u64
        };
        match (self, one) {
            (Self::KillWorker, Some(one)) => return kill(&[one]),
            (Self::KillAllWorkers, _) => return kill(workers),
            (Self::StopWorker, Some(one)) => stop_for(one, duration, || {}),
            (Self::StopCoordinator, _) => stop_for(coordinator, duration, || {}),
            (Self::KillWorkerUnseen, Some(one)) => {
                stop_for(coordinator, duration, || send(one, SIGKILL));
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
                sleep(duration);
                world.start_again(server);
            }
            (Self::Cut(server), _) => block_for(world, server, Traffic::Cut, duration * 2),
            (Self::Hold(server), _) => block_for(world, server, Traffic::Held, duration * 2),
            (Self::KillWorker | Self::StopWorker | Self::KillWorkerUnseen, None)
            | (Self::Rival | Self::RivalOfStopped, _) => {}
        }
        0
    }
}

fn stop_for(pid: i32, duration: Duration, meanwhile: impl FnOnce()) {
    send(pid, SIGSTOP);
    sleep(duration / 2);
    meanwhile();
    sleep(duration / 2);
    send(pid, SIGCONT);
}

fn block_for(world: &World, server: Server, traffic: Traffic, duration: Duration) {
    world.network(server).set(traffic);
    sleep(duration);
    world.network(server).set(Traffic::Open);
}
