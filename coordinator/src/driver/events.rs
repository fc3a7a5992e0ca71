//! Turns what happens around a job into events of its schedule.

use engine::schedule::{Event, Work};
use job::control::ToWorker;
use tracing::info;

use super::{Done, Effects, Running};
use crate::{
    cluster::ClusterEvent,
    failure::Failure,
    identity::Found,
    server::{HelloInfo, Incoming},
};

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    pub(super) fn incoming(&mut self, incoming: Incoming) -> Option<Event<W::Event>> {
        Some(match incoming {
            Incoming::Joined(newcomer, outbox) => {
                let HelloInfo { worker, host, place } = newcomer;
                info!(%worker, host, attempt = place, "worker connected");
                if let Some(lending) = &self.lending {
                    // A new outbox has room.
                    let _ = outbox.try_send(ToWorker::Keys(lending.keys()));
                }
                self.outboxes.insert(worker, outbox);
                self.tell_joined(worker, host, place);
                Event::Connected(worker)
            }
            Incoming::Said(worker, message) => Event::Message(worker, message),
            Incoming::Left(worker, why) => {
                if self.driver.cluster.release(worker) {
                    self.left.insert(worker, why);
                    return None;
                }
                Event::Lost(worker, why)
            }
        })
    }

    pub(super) fn happened(&mut self, happened: ClusterEvent) -> Event<W::Event> {
        match happened {
            ClusterEvent::Ended(worker, how) => {
                let why = self.left.remove(&worker);
                Event::Lost(worker, how.or(why).unwrap_or_else(|| "killed".into()))
            }
            ClusterEvent::Over(why) => Event::ClusterEnded(why),
        }
    }

    pub(super) fn done(
        &mut self,
        done: Result<Done<W::Event>, tokio::task::JoinError>,
    ) -> Option<Event<W::Event>> {
        match done {
            Ok(Done::Performed(Ok(event))) => event.map(Event::Work),
            Ok(Done::Described(described)) => {
                match self.driver.table.as_ref()?.judge((*described).as_ref()) {
                    Ok(Found::Another(why)) => {
                        self.outcome = Some(Err(Failure::other_table(why)));
                        None
                    }
                    Ok(Found::Same) => {
                        let limits = self.driver.limits.as_ref().zip((*described).as_ref().ok());
                        limits.map(|(limits, facts)| Event::Limits(limits(facts)))
                    }
                    // The workers find out whether that is true.
                    Ok(Found::Gone(why)) => {
                        (self.driver.note)(why);
                        None
                    }
                    Err(fault) => {
                        (self.driver.note)(format!("could not check the table again: {fault}"));
                        None
                    }
                }
            }
            Ok(Done::Performed(Err(fault))) => {
                self.outcome = Some(Err(Failure::failed(&fault)));
                None
            }
            Err(error) => {
                self.outcome = Some(Err(Failure::failed(format!("internal error: {error}"))));
                None
            }
        }
    }
}
