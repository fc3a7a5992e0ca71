//! What happens in a world: a list of choices, each of which says who does what next. All of a run follows from its
//! seed and this list, so a list from which something was cut is a run as well.

use fastrand::Rng;

/// What kind of thing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A worker does something: reads, writes, seals, asks.
    Act,
    /// A coordinator hears the next thing that a worker said.
    Deliver,
    /// A worker hears the next thing that it was told.
    Hear,
    /// A coordinator's clock ticks.
    Tick,
    /// A call of a coordinator (open, fence, complete) comes to its end.
    Call,
    /// A coordinator begins to write an object of its journal.
    Journal,
    /// That write is answered, or isn't.
    Answer,
    /// Time passes.
    Pass,
    /// A worker dies.
    Kill,
    /// A stream breaks; some of what is in flight is lost.
    Cut,
    /// A worker stands still.
    StallWorker,
    /// A coordinator stands still.
    StallCoordinator,
    /// A coordinator dies.
    Crash,
    /// A coordinator is started.
    Rise,
    /// The table's capacity changes.
    Capacity,
    /// A worker is throttled.
    Throttle,
    /// A worker says something twice.
    Repeat,
}

/// All kinds, with how often each happens without and with faults.
const KINDS: [(Kind, u32, u32); 17] = [
    (Kind::Act, 40, 0),
    (Kind::Deliver, 20, 0),
    (Kind::Hear, 20, 0),
    (Kind::Tick, 8, 0),
    (Kind::Call, 6, 0),
    (Kind::Journal, 5, 0),
    (Kind::Answer, 6, 0),
    (Kind::Pass, 6, 0),
    (Kind::Kill, 0, 2),
    (Kind::Cut, 0, 2),
    (Kind::StallWorker, 0, 2),
    (Kind::StallCoordinator, 0, 1),
    (Kind::Crash, 0, 1),
    (Kind::Rise, 1, 2),
    (Kind::Capacity, 0, 2),
    (Kind::Throttle, 0, 2),
    (Kind::Repeat, 0, 1),
];

/// One thing that happens: what, to whom, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) kind: Kind,
    pub(crate) who: u32,
    pub(crate) what: u32,
}

/// A list of choices for one run. Each run has faults of its own liking: some of none, some mostly of one kind.
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

/// What cannot go wrong, once in turn for each of `who`: from here on nobody dies any more.
pub(crate) fn quiet(round: u32, who: u32) -> impl Iterator<Item = Choice> {
    use Kind::{Act, Answer, Call, Deliver, Hear, Journal, Pass, Rise, Tick};
    let acts = (0..8).map(|what| (Act, what));
    let rest =
        [(Deliver, 0), (Hear, 0), (Tick, 1), (Call, 7), (Journal, 7), (Answer, 7), (Deliver, 0), (Hear, 0)];
    let each =
        (0..who).flat_map(move |who| acts.clone().chain(rest).map(move |(kind, what)| (kind, who, what)));
    let all = each.chain([(Rise, 0, 0), (Pass, 0, 300)]);
    // Regular, a worker might do one thing whenever it is of no use: the hash is Knuth's.
    let various = 8 * (round.wrapping_mul(2_654_435_761) >> 16);
    all.map(move |(kind, who, what)| Choice {
        kind,
        who,
        what: if kind == Act { what + various } else { what },
    })
}
