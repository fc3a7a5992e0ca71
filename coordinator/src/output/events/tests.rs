use events::Throttled;

use super::*;

fn throttled(requests: u64) -> Line {
    stamped(Event::Throttled(Throttled { requests, throttles: requests }))
}

fn status() -> Line {
    stamped(Event::Status(Box::default()))
}

fn failed() -> Line {
    stamped(Event::Error(Failed { exit_code: 1, kind: "failed".into(), message: "x".into() }))
}

fn queue() -> EventQueue {
    EventQueue::new("tablehaul 0.0.0".into())
}

/// What is written if every write succeeds.
fn drained(queue: &mut EventQueue) -> Vec<Line> {
    let lines = std::iter::from_fn(|| {
        let line = queue.take();
        queue.written(true);
        line
    });
    lines.collect()
}

#[test]
fn only_the_first_event_has_the_schema_and_nothing_follows_the_last() {
    let mut queue = queue();
    for line in [throttled(1), throttled(2), failed(), throttled(3)] {
        queue.push(line);
    }
    let lines = drained(&mut queue);
    assert_eq!(lines.iter().map(|line| line.schema).collect::<Vec<_>>(), [Some(1), None, None]);
    assert!(lines[2].event.is_last() && queue.is_written() && !queue.has_lost());
}

#[test]
fn statuses_make_room_for_other_events_and_the_next_event_counts_what_was_lost() {
    let mut queue = queue();
    queue.push(throttled(0));
    for number in 1..=400 {
        queue.push(throttled(number));
        queue.push(status());
    }
    queue.push(failed());
    let lines = drained(&mut queue);
    assert!(queue.has_lost());
    let others = lines.iter().filter(|line| !matches!(line.event, Event::Status(_))).count();
    assert_eq!((lines.len(), others), (500, 402), "no other event was lost");
    assert_eq!(lines.iter().map(|line| line.lost_events).sum::<u64>(), 802 - 500);
    assert!(lines.last().unwrap().event.is_last());
}

#[test]
fn the_oldest_events_are_lost_if_there_is_no_status_and_the_schema_stays() {
    let mut queue = queue();
    (0..1000).for_each(|number| queue.push(throttled(number)));
    queue.push(failed());
    let lines = drained(&mut queue);
    assert_eq!((lines.len(), lines[0].lost_events, lines[0].schema), (500, 501, Some(1)));
    assert!(lines.last().unwrap().event.is_last());
}

#[test]
fn an_event_that_could_not_be_written_is_counted_and_its_schema_comes_with_the_next() {
    let mut queue = queue();
    for line in [throttled(1), throttled(2), throttled(3)] {
        queue.push(line);
    }
    for _ in 0..2 {
        assert!(queue.take().is_some());
        queue.written(false);
    }
    let line = queue.take().unwrap();
    assert_eq!((line.lost_events, line.schema), (2, Some(1)));
    queue.written(true);
    queue.push(throttled(4));
    assert_eq!(queue.take().unwrap().lost_events, 0);
}

/// Accepts this many bytes, and then none until more are allowed.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        let free = disk.0.saturating_sub(disk.1.len()).min(bytes.len());
        if free == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.1.extend_from_slice(&bytes[..free]);
        Ok(free)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_half_a_line_the_next_one_begins_anew() {
    let disk = Disk::default();
    disk.0.lock().unwrap().0 = 10;
    let mut writer = EventWriter::to(disk.clone());
    assert!(writer.write(&throttled(1)).is_err());
    disk.0.lock().unwrap().0 = 10_000;
    writer.write(&throttled(2)).unwrap();
    writer.write(&throttled(3)).unwrap();
    let text = String::from_utf8(disk.0.lock().unwrap().1.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(serde_json::from_str::<Line>(lines[0]).is_err() && text.ends_with('\n'));
    assert!(lines[1..].iter().all(|line| serde_json::from_str::<Line>(line).is_ok()));
}

#[test]
fn a_file_is_continued_also_after_half_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    EventWriter::file(&path).unwrap().write(&throttled(1)).unwrap();
    EventWriter::file(&path).unwrap().write(&throttled(2)).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    assert_eq!(whole.lines().count(), 2);
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    EventWriter::file(&path).unwrap().write(&throttled(3)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let read: Vec<bool> = text.lines().map(|line| serde_json::from_str::<Line>(line).is_ok()).collect();
    assert_eq!(read, [true, false, true]);
    assert!(EventWriter::file(folder.path()).is_err(), "a folder is not a file");
}

#[test]
fn times_never_run_backwards_and_have_three_decimals() {
    let (a, b) = (status(), status());
    assert!(a.elapsed_seconds <= b.elapsed_seconds);
    assert!(a.at.ends_with('Z') && a.at.len() <= "2026-01-02T03:04:05.678Z".len(), "{}", a.at);
}
