//! Interleaves the lines of the open splits.
//!
//! A backup is in the order of a Scan, in which neighbours are in the same DynamoDB partition. Written in that order,
//! the lines would ask one partition after another for all of the job's rate.

use std::{collections::VecDeque, time::Duration};

use engine::worker::line::Line;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::blocks::Block;

/// The number of lines of a split in one turn.
const TURN_LINES: usize = 5;
/// The number of lines handed on at once.
const BATCH_LINES: usize = 100;
/// How long the first lines wait for those of other splits.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The lines to be interleaved. `P` is the permit that a split gets back for a block.
#[derive(Debug)]
struct Interleaver<P> {
    turns: VecDeque<SplitLines<P>>,
}

/// The lines of one split.
#[derive(Debug)]
struct SplitLines<P> {
    slot: u64,
    blocks: VecDeque<(std::vec::IntoIter<Line>, P)>,
}

impl<P> Interleaver<P> {
    const fn new() -> Self {
        Self { turns: VecDeque::new() }
    }

    fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn add(&mut self, slot: u64, lines: Vec<Line>, place: P) {
        let block = (lines.into_iter(), place);
        match self.turns.iter_mut().find(|turn| turn.slot == slot) {
            Some(turn) => turn.blocks.push_back(block),
            None => self.turns.push_back(SplitLines { slot, blocks: [block].into() }),
        }
    }

    /// The next lines, a few of each split in turn.
    fn take_turns(&mut self) -> Vec<Line> {
        let mut assigned = Vec::with_capacity(BATCH_LINES);
        while assigned.len() < BATCH_LINES {
            let Some(mut turn) = self.turns.pop_front() else { break };
            turn.take_turns(&mut assigned);
            if !turn.blocks.is_empty() {
                self.turns.push_back(turn);
            }
        }
        assigned
    }
}

impl<P> SplitLines<P> {
    fn take_turns(&mut self, assigned: &mut Vec<Line>) {
        let mut left = TURN_LINES;
        while left > 0 {
            let Some((lines, _)) = self.blocks.front_mut() else { return };
            let before = assigned.len();
            assigned.extend(lines.take(left));
            left -= assigned.len() - before;
            if lines.len() == 0 {
                self.blocks.pop_front();
            }
        }
    }
}

/// Hands lines on until all readers or the writer are gone. The first lines wait for those of `open_splits`, since a
/// writer that waits for units accepts the lines of the first seconds at once.
pub(crate) async fn run(mut blocks: mpsc::Receiver<Block>, open_splits: u32, lines: mpsc::Sender<Vec<Line>>) {
    let mut interleaver: Interleaver<OwnedSemaphorePermit> = Interleaver::new();
    let first = async {
        while interleaver.turns.len() < open_splits as usize {
            let Some(block) = blocks.recv().await else { return };
            interleaver.add(block.slot, block.lines, block.place);
        }
    };
    let _ = tokio::time::timeout(FIRST_WAIT, first).await;
    loop {
        if interleaver.is_empty() {
            let Some(block) = blocks.recv().await else { return };
            interleaver.add(block.slot, block.lines, block.place);
        }
        while let Ok(block) = blocks.try_recv() {
            interleaver.add(block.slot, block.lines, block.place);
        }
        if lines.send(interleaver.take_turns()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use engine::worker::line::Ticket;
    use job::{capacity::Units, split::Write};
    use std::rc::Rc;

    fn lines(slot: u64, range: std::ops::Range<u64>) -> Vec<Line> {
        let line = |line| Line {
            ticket: Ticket { slot, line },
            write: Write::Put,
            json: Bytes::new(),
            key: Bytes::new(),
            units: Units::ZERO,
        };
        range.map(line).collect()
    }

    #[test]
    fn splits_take_turns_and_each_keeps_its_order() {
        let mut interleaver = Interleaver::new();
        interleaver.add(1, lines(1, 0..70), ());
        interleaver.add(2, lines(2, 0..7), ());
        interleaver.add(2, lines(2, 7..20), ());
        let assigned = interleaver.take_turns();
        let slots: Vec<u64> = assigned.iter().take(20).map(|line| line.ticket.slot).collect();
        assert_eq!(slots, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
        for slot in [1, 2] {
            let numbers: Vec<u64> = assigned
                .iter()
                .filter(|line| line.ticket.slot == slot)
                .map(|line| line.ticket.line)
                .collect();
            assert_eq!(numbers, (0..if slot == 1 { 70 } else { 20 }).collect::<Vec<_>>());
        }
        assert!(interleaver.is_empty());
    }

    #[test]
    fn a_place_is_given_back_with_the_last_line_of_its_block() {
        let (mut interleaver, place) = (Interleaver::new(), Rc::new(()));
        interleaver.add(1, lines(1, 0..BATCH_LINES as u64), place.clone());
        interleaver.add(1, lines(1, 0..5), place.clone());
        interleaver.take_turns();
        assert_eq!(Rc::strong_count(&place), 2);
        interleaver.take_turns();
        assert_eq!(Rc::strong_count(&place), 1);
    }
}
