//! What a long journal costs: `scripts/bench journal`. The journal of an export of a million segments, each read in two
//! steps, is written as a coordinator writes it; `tablehaul status` replays it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Parser;
use job::{
    control::{Sealed, SealedPart},
    ids::{Attempt, FileId, JobId, Segment},
    journal::{self, Begin, Fact, Header, OpenedFile, Run, Writer},
    layout,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{Compression, FileOptions, FixedOptions},
    task::{Position, Step, TotalSegments},
};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use tests_support::binary;

/// Segments whose steps are in one part.
const SEGMENTS_PER_PART: u32 = 16;
const PARTS_PER_FILE: u32 = 16;
/// Parts in one object: those that 2,000 workers seal in five seconds.
const PARTS_PER_OBJECT: usize = 2_000;

/// Measures the replay of a journal
#[derive(Parser)]
struct Options {
    /// Segments
    #[arg(long, default_value_t = 1_000_000)]
    segments: u32,
    /// Where to write the journal
    #[arg(long, default_value = "/dev/shm")]
    folder: std::path::PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Options { segments, folder } = Options::parse();
    let folder = tempfile::tempdir_in(folder)?;
    let written = write(folder.path(), segments)?;
    println!(
        "written     {} segments, {} parts, {} objects, {} MB in {:.2} s of one core",
        segments,
        written.parts,
        written.objects,
        written.bytes / 1_000_000,
        written.took.as_secs_f64()
    );
    let started = Instant::now();
    let mut status = Command::new(binary("tablehaul"));
    let child = status.arg("status").arg(folder.path()).stdout(Stdio::piped()).spawn()?;
    let output = child.wait_with_output()?;
    let took = started.elapsed();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && text.contains("50 %"), "status failed: {text}");
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu =
        Duration::from_micros(u64::try_from((usage.user_time() + usage.system_time()).num_microseconds())?);
    println!(
        "replayed    in {:.2} s, {:.2} CPU s, highest resident set {} MB",
        took.as_secs_f64(),
        cpu.as_secs_f64(),
        usage.max_rss() / 1000
    );
    Ok(())
}

/// What was written.
struct Written {
    parts: u32,
    objects: u64,
    bytes: u64,
    took: Duration,
}

/// Every second segment is half read, the others are done.
fn write(folder: &Path, segments: u32) -> anyhow::Result<Written> {
    let journal = folder.join(layout::JOURNAL);
    fs::create_dir_all(&journal)?;
    let mut facts = vec![Fact::Begin(Box::new(begin(segments)?)), Fact::Run(Run::default())];
    let (mut written, mut took) =
        (Written { parts: 0, objects: 0, bytes: 0, took: Duration::ZERO }, Duration::ZERO);
    let mut flush = |facts: &mut Vec<Fact>, written: &mut Written| -> anyhow::Result<()> {
        let started = Instant::now();
        written.objects += 1;
        let mut writer = Writer::new(&header(written.objects));
        facts.drain(..).for_each(|fact| writer.fact(&fact));
        let bytes = writer.finish();
        took += started.elapsed();
        written.bytes += bytes.len() as u64;
        fs::write(journal.join(layout::journal_object(written.objects)), bytes).context("an object")
    };
    for round in 0..2 {
        for first in (0..segments).step_by(SEGMENTS_PER_PART as usize) {
            let steps = (first..segments.min(first + SEGMENTS_PER_PART))
                .filter(|segment| round == 0 || segment % 2 == 0);
            let steps: Vec<Step> = steps.map(|segment| step(segment, round)).collect();
            let (file, number) = (written.parts / PARTS_PER_FILE, written.parts % PARTS_PER_FILE + 1);
            if number == 1 {
                let name = layout::part_file(&JobId::from_u128(7), FileId(file), Compression::None);
                let upload_id = "u".repeat(100).parse()?;
                facts.push(Fact::File(OpenedFile { file: FileId(file), name, upload_id }));
            }
            let part = part(file, number, steps.iter().map(|step| step.items).sum());
            facts.push(Fact::Sealed(Sealed { part: Some(part), steps }));
            written.parts += 1;
            if facts.len() >= PARTS_PER_OBJECT {
                flush(&mut facts, &mut written)?;
            }
        }
    }
    flush(&mut facts, &mut written)?;
    written.took = took;
    Ok(written)
}

fn step(segment: u32, round: u64) -> Step {
    let key = format!("{{\"pk\":{{\"S\":\"customer#{segment:032}\"}},\"sk\":{{\"N\":\"{segment}\"}}}}");
    Step {
        segment: Segment(segment),
        attempt: Attempt(1),
        from_page: round,
        to_page: round + 1,
        items: 450,
        position: if round == 1 { Position::Done } else { Position::After(key) },
    }
}

fn part(file: u32, number: u32, items: u64) -> SealedPart {
    SealedPart {
        file: FileId(file),
        number,
        etag: "0123456789abcdef0123456789abcdef".into(),
        crc32c: 0x0123_4567,
        bytes: 16 << 20,
        items,
        line_bytes: 16 << 20,
        last: number == PARTS_PER_FILE,
    }
}

fn header(number: u64) -> Header {
    Header {
        tablehaul_journal: journal::VERSION,
        number,
        run: "0".repeat(36),
        host: "host".into(),
        pid: 1,
        at: "2026-01-01T00:00:00Z".into(),
        machine: None,
    }
}

fn begin(segments: u32) -> anyhow::Result<Begin> {
    Ok(Begin {
        job: JobId::from_u128(7),
        table: "Forum".into(),
        arn: None,
        table_id: None,
        keys: KeySchema { partition: KeyAttribute { name: "pk".into(), kind: KeyKind::S }, sort: None },
        options: FixedOptions {
            files: FileOptions::default(),
            consistent: false,
            segments: TotalSegments::try_from(segments)?,
        },
        started_at: "2026-01-01T00:00:00Z".into(),
        expected_items: 0,
        description: serde_json::Value::Null,
        table_settings: None,
    })
}
