//! Turns what happens around a job into events of its schedule.

use engine::schedule::{Event, Work};

use super::{CallResult, Effects, Running};
use crate::{aws::identity::TableCheck, cluster::fleet::FleetEvent, failure::Failure};

impl<E> From<FleetEvent> for Event<E> {
    fn from(event: FleetEvent) -> Self {
        match event {
            FleetEvent::Connected(worker) => Self::Connected(worker),
            FleetEvent::Message(worker, message) => Self::Message(worker, message),
            FleetEvent::Lost(worker, why) => Self::Lost(worker, why),
            FleetEvent::Ended(why) => Self::ClusterEnded(why),
        }
    }
}

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    pub(super) fn done(
        &mut self,
        done: Result<CallResult<W::Event>, tokio::task::JoinError>,
    ) -> Option<Event<W::Event>> {
        match done {
            Ok(CallResult::Performed(Ok(event))) => event.map(Event::Work),
            Ok(CallResult::Described(described)) => {
                match self.driver.table.as_ref()?.judge((*described).as_ref()) {
                    Ok(TableCheck::Another(why)) => {
                        self.outcome = Some(Err(Failure::other_table(why)));
                        None
                    }
                    Ok(TableCheck::Same) => {
                        let limits = self.driver.limits.as_ref().zip((*described).as_ref().ok());
                        limits.map(|(limits, facts)| Event::Limits(limits(facts)))
                    }
                    // The workers find out whether that is true.
                    Ok(TableCheck::Gone(why)) => {
                        (self.driver.note)(why);
                        None
                    }
                    Err(fault) => {
                        (self.driver.note)(format!("could not check the table again: {fault}"));
                        None
                    }
                }
            }
            Ok(CallResult::Performed(Err(fault))) => {
                self.outcome = Some(Err(Failure::failed(&fault)));
                None
            }
            Err(error) => {
                self.outcome = Some(Err(Failure::internal(error)));
                None
            }
        }
    }
}
