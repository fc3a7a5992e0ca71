use bytes::Bytes;
use job::{
    ids::{Attempt, SplitId},
    object::Object,
    split::{Codec, InputFormat, Split},
};
use proptest::prelude::*;

use super::*;

fn lease(mark: u64) -> SplitLease {
    let split = Split {
        split: SplitId(7),
        object: Object::File { path: "/backup/x".into() },
        etag: String::new(),
        object_bytes: 1_000_000,
        stored: 0..1_000_000,
        text_start: 0,
        cut: false,
        codec: Codec::Plain,
        format: InputFormat::Emr,
        checksum: None,
    };
    SplitLease { split, attempt: Attempt(1), mark }
}

/// Lines of 10 bytes each, from number `from` on.
fn lines(range: std::ops::Range<u64>) -> impl Iterator<Item = Entry<()>> {
    range.map(|number| Entry {
        offset: number * 10,
        next: number * 10 + 10,
        write: Write::Put,
        item_bytes: 100,
        state: LineState::Waiting,
    })
}

fn rejected(number: u64, line_bytes: usize) -> Entry<()> {
    let reject = Reject { offset: number * 10, reason: "not JSON".into(), line: vec![b'x'; line_bytes] };
    let state = LineState::Rejected(Box::new(Rejected { reject, permit: Some(()) }));
    Entry { offset: number * 10, next: number * 10 + 10, write: Write::Put, item_bytes: 0, state }
}

fn written(ledger: &mut Ledger<()>, slot: u64, line: u64) -> usize {
    ledger.settle(Ticket { slot, line }, Outcome::Written)
}

fn ranges(told: &[ReadyAdvance<()>]) -> Vec<(u64, u64, bool)> {
    told.iter().map(|told| (told.advance.from, told.advance.to, told.advance.done)).collect()
}

#[test]
fn the_mark_stays_before_the_first_line_that_is_not_settled() {
    let mut ledger = Ledger::new();
    let slot = ledger.open(&lease(20));
    ledger.read(slot, lines(2..6));
    assert_eq!((written(&mut ledger, slot, 1), written(&mut ledger, slot, 2)), (0, 0));
    assert!(ledger.take().is_empty());
    assert_eq!(written(&mut ledger, slot, 0), 3);
    let told = ledger.take();
    assert_eq!(ranges(&told), [(20, 50, false)]);
    assert_eq!((told[0].advance.counts.items, told[0].advance.counts.units), (3, Units::from_units(3)));
    ledger.ended(slot, 65);
    assert!(ledger.take().is_empty(), "one line is still on its way");
    written(&mut ledger, slot, 3);
    assert!(ledger.is_urgent(slot));
    assert_eq!(ranges(&ledger.take()), [(50, 65, true)]);
    assert!(ledger.take().is_empty(), "done is said once");
}

#[test]
fn a_split_without_lines_is_done_at_once() {
    let mut ledger: Ledger<()> = Ledger::new();
    let slot = ledger.open(&lease(20));
    ledger.ended(slot, 20);
    assert_eq!(ranges(&ledger.take()), [(20, 20, true)]);
}

#[test]
fn a_rejected_line_is_told_with_the_advance_that_passes_it() {
    let mut ledger = Ledger::new();
    let slot = ledger.open(&lease(0));
    ledger.read(slot, lines(0..1).chain([rejected(1, 5)]).chain(lines(2..3)));
    assert!(ledger.take().is_empty());
    let json = Bytes::from_static(b"{}");
    ledger.settle(Ticket { slot, line: 2 }, Outcome::Rejected { reason: "no".into(), json });
    ledger.settle(Ticket { slot, line: 0 }, Outcome::Kept);
    let told = ledger.take();
    assert_eq!(ranges(&told), [(0, 30, false)]);
    let offsets: Vec<u64> = told[0].advance.rejects.iter().map(|reject| reject.offset).collect();
    assert_eq!((offsets, told[0].advance.counts.kept, told[0].permits.len()), (vec![10, 20], 1, 1));
}

#[test]
fn many_rejected_lines_are_told_in_messages_of_bounded_size() {
    let mut ledger = Ledger::new();
    let slot = ledger.open(&lease(0));
    assert_eq!(ledger.read(slot, (0..100).map(|number| rejected(number, 100_000))), 100);
    assert!(ledger.is_urgent(slot));
    let told = ledger.take();
    assert!(told.len() >= 10);
    for pair in told.windows(2) {
        assert_eq!(pair[0].advance.to, pair[1].advance.from);
    }
    for ReadyAdvance { advance, permits } in &told {
        let bytes: usize = advance.rejects.iter().map(|reject| reject.line.len()).sum();
        assert!(bytes <= MAX_ADVANCE_BYTES);
        assert_eq!(advance.rejects.len(), permits.len());
    }
    assert_eq!(told.iter().map(|told| told.advance.rejects.len()).sum::<usize>(), 100);
}

#[test]
fn what_is_settled_for_a_split_that_is_gone_is_ignored() {
    let mut ledger: Ledger<()> = Ledger::new();
    assert_eq!(written(&mut ledger, 9, 0), 0);
}

proptest! {
    /// In whatever order lines are settled and advances are taken, the advances chain and count each line once.
    #[test]
    fn advances_chain_and_count_every_line_once(
        order in Just((0..40u64).collect::<Vec<_>>()).prop_shuffle(),
        takes in prop::collection::vec(any::<bool>(), 40),
    ) {
        let mut ledger = Ledger::new();
        let slot = ledger.open(&lease(0));
        ledger.read(slot, lines(0..40));
        ledger.ended(slot, 400);
        let (mut mark, mut items, mut dropped) = (0, 0, 0);
        let mut is_settled = [false; 40];
        for (line, take) in order.into_iter().zip(takes) {
            dropped += written(&mut ledger, slot, line);
            is_settled[usize::try_from(line).unwrap()] = true;
            let told = if take { ledger.take() } else { Vec::new() };
            for ReadyAdvance { advance, .. } in told {
                prop_assert_eq!(advance.from, mark);
                mark = advance.to;
                items += advance.counts.items;
            }
            let low_water = is_settled.iter().take_while(|settled| **settled).count() as u64;
            prop_assert!(mark <= low_water * 10);
        }
        for ReadyAdvance { advance, .. } in ledger.take() {
            prop_assert!(advance.done && advance.from == mark);
            mark = advance.to;
            items += advance.counts.items;
        }
        prop_assert_eq!((mark, items, dropped), (400, 40, 40));
    }
}
