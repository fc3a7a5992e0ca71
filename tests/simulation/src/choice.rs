//! What happens in a world: a list of choices, each of which says who does what next. The seed and this list determine
//! the whole run, so a shortened list is a run as well.

use fastrand::Rng;

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A worker does something: reads, writes, seals, asks.
    Act,
    /// A coordinator receives the next message of a worker.
    Deliver,
    /// A worker receives its next message.
    Receive,
    /// A coordinator's clock ticks.
    Tick,
    /// A call of a coordinator (open, fence, complete) returns.
    Call,
    /// A coordinator starts to write an object of its journal.
    Journal,
    /// The write is answered, or the answer is lost.
    Answer,
    /// Time passes.
    Wait,
    /// A worker dies.
    Kill,
    /// A stream breaks; some of what is in flight is lost.
    Cut,
    /// A worker stalls.
    StallWorker,
    /// A coordinator stalls.
    StallCoordinator,
    /// A coordinator dies.
    Crash,
    /// A coordinator is started.
    Start,
    /// The table's capacity changes.
    Capacity,
    /// A worker is throttled.
    Throttle,
    /// A worker sends a message twice.
    Repeat,
}

/// All kinds, with their weight without faults and the additional weight with faults.
const KINDS: [(Kind, u32, u32); 17] = [
    (Kind::Act, 40, 0),
    (Kind::Deliver, 20, 0),
    (Kind::Receive, 20, 0),
    (Kind::Tick, 8, 0),
    (Kind::Call, 6, 0),
    (Kind::Journal, 5, 0),
    (Kind::Answer, 6, 0),
    (Kind::Wait, 6, 0),
    (Kind::Kill, 0, 2),
    (Kind::Cut, 0, 2),
    (Kind::StallWorker, 0, 2),
    (Kind::StallCoordinator, 0, 1),
    (Kind::Crash, 0, 1),
    (Kind::Start, 1, 2),
    (Kind::Capacity, 0, 2),
    (Kind::Throttle, 0, 2),
    (Kind::Repeat, 0, 1),
];

/// One event: its kind, whom it concerns, and its details.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) kind: Kind,
    pub(crate) who: u32,
    pub(crate) what: u32,
}

/// The choices of one run. Runs differ in their faults: some have none, some have mostly one kind.
pub(crate) fn choices(rng: &mut Rng) -> Vec<Choice> {
    let weights = KINDS.map(|(_, usual, fault)| usual + fault * rng.u32(0..4) * rng.u32(0..2));
    let total: u32 = weights.iter().sum();
    let length = rng.usize(50..1200);
    let draw = |rng: &mut Rng| {
        let mut at = rng.u32(0..total);
        let index = weights.iter().position(|&weight| {
            let is_here = at < weight;
            at = at.wrapping_sub(if is_here { 0 } else { weight });
            is_here
        });
        let kind = KINDS[index.unwrap_or(0)].0;
        Choice { kind, who: rng.u32(..), what: rng.u32(..) }
    };
    (0..length).map(|_| draw(rng)).collect()
}

/// Choices without faults, in turn for each of `who`.
pub(crate) fn without_faults(round: u32, who: u32) -> impl Iterator<Item = Choice> {
    use Kind::{Act, Answer, Call, Deliver, Journal, Receive, Start, Tick, Wait};
    let acts = (0..8).map(|what| (Act, what));
    let rest = [
        (Deliver, 0),
        (Receive, 0),
        (Tick, 1),
        (Call, 7),
        (Journal, 7),
        (Answer, 7),
        (Deliver, 0),
        (Receive, 0),
    ];
    let each =
        (0..who).flat_map(move |who| acts.clone().chain(rest).map(move |(kind, what)| (kind, who, what)));
    let all = each.chain([(Start, 0, 0), (Wait, 0, 300)]);
    // In a regular order a worker might do each thing only when it is of no use. The hash is Knuth's.
    let various = 8 * (round.wrapping_mul(2_654_435_761) >> 16);
    all.map(move |(kind, who, what)| Choice {
        kind,
        who,
        what: if kind == Act { what + various } else { what },
    })
}
