//! Servers and file systems that do not answer: they are named while they are silent, a command gives up before its job
//! has started, and it ends at a signal whatever hangs.

use super::{Place, ends_saying, files, forum, says, wait_until};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tests_support::canned::{Answer, Canned};
use tests_support::command::{Tablehaul, finish, not_tested};
use tests_support::process::send;
use tests_support::{Fake, Heard};

/// So that what takes a minute takes seconds.
const SHORT: &str = "tell=1000 give-up=12000";

/// The URL of a server that accepts every connection and says nothing.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let _kept: Vec<TcpStream> = listener.incoming().flatten().collect();
    });
    format!("http://{address}")
}

#[test]
fn a_server_that_accepts_and_never_answers_is_named_and_given_up() {
    let (silent, place) = (silent(), Place::new());
    let to_s3 = ["s3://bucket/x", "--s3-endpoint", &silent];
    let with_table = ["--dynamodb-endpoint", forum()];
    let of_s3 = |command: &str| Tablehaul::new([command]).args(to_s3);
    let commands = [
        (place.export("Forum", &silent), "dynamodb:DescribeTable"),
        (Tablehaul::new(["export", "Forum"]).args(to_s3).args(with_table), "s3:ListBucket"),
        (Tablehaul::new(["import"]).args(to_s3).arg("Forum").args(with_table), "s3:ListBucket"),
        (of_s3("status"), "s3:ListBucket"),
        (of_s3("verify"), "s3:ListBucket"),
        (of_s3("clean").arg("--yes"), "s3:ListBucket"),
    ];
    let since = Instant::now();
    let started: Vec<(Child, &str)> = commands
        .into_iter()
        .map(|(command, action)| (command.with_intervals(SHORT).start(), action))
        .collect();
    for (child, action) in started {
        let finished = finish(child);
        let waiting = format!("waiting for an answer from {silent} ({action}), ");
        let told = finished.stderr.lines().filter(|line| line.starts_with(&waiting)).count();
        assert!((1..=4).contains(&told), "after 1, 2, 4 and 8 s: {}", finished.stderr);
        ends_saying(&finished, 2, &[&format!("no answer from {silent} ({action}) for ")]);
    }
    assert!(since.elapsed() >= Duration::from_secs(12), "it is given this time");
    place.is_untouched();
}

/// An S3 whose folders all hold one object of a journal. Its listings or its objects come as `fault` says.
fn faulty_s3(is_faulty: fn(&str) -> bool, fault: fn(Answer) -> Answer) -> Canned {
    Canned::start(move |request| {
        let answer = if request.path.contains("list-type=2") {
            Answer::new(
                200,
                "<ListBucketResult><IsTruncated>false</IsTruncated><Contents>\
                 <Key>x/_tablehaul/journal/00000001.jsonl</Key><Size>1000</Size></Contents></ListBucketResult>",
            )
        } else {
            Answer::new(200, "x".repeat(1000))
        };
        if is_faulty(&request.path) { fault(answer) } else { answer }
    })
}

#[test]
fn replies_that_break_off_or_are_empty_are_told_while_they_are_asked_for_again() {
    let is_listing = |path: &str| path.contains("list-type=2");
    let is_object = |path: &str| !path.contains("list-type=2");
    let torn = faulty_s3(is_object, Answer::torn);
    let empty = faulty_s3(is_listing, |_| Answer::new(200, ""));
    let cut =
        format!("{} closed the connection in the middle of its reply: check the endpoint", torn.endpoint());
    let damaged = format!("{} sent a damaged reply", empty.endpoint());
    let with_table = ["--dynamodb-endpoint", forum()];
    let of_torn = |command: &[&str]| Tablehaul::new(command).args(["--s3-endpoint", &torn.endpoint()]);
    let commands = [
        (of_torn(&["status", "s3://bucket/x"]), &cut),
        (of_torn(&["verify", "s3://bucket/x"]), &cut),
        (of_torn(&["clean", "s3://bucket/x", "--yes"]), &cut),
        (of_torn(&["import", "s3://bucket/x", "Forum"]).args(with_table), &cut),
        (of_torn(&["export", "Forum", "s3://bucket/x"]).args(with_table), &cut),
        // Others give up an unreadable folder within five seconds.
        (Tablehaul::new(["verify", "s3://bucket/x", "--s3-endpoint", &empty.endpoint()]), &damaged),
    ];
    let started = commands.map(|(command, why)| (command.start(), why));
    std::thread::sleep(Duration::from_millis(8_500));
    for (child, _) in &started {
        super::running::send(child, "TERM");
    }
    for (child, why) in started {
        let finished = finish(child);
        let told: Vec<&str> =
            finished.stderr.lines().filter(|line| line.starts_with("trying again after ")).collect();
        assert_eq!(told.len(), 1, "{why}: {}", finished.stderr);
        assert!(told[0].contains(why.as_str()), "{why}: {}", finished.stderr);
        for raw in ["streaming error", "end of file", "dispatch failure"] {
            assert!(!finished.stderr.contains(raw), "{}", finished.stderr);
        }
        ends_saying(&finished, 3, &["stopped by a signal"]);
    }
}

#[test]
fn a_stalled_job_names_the_server_that_does_not_answer() {
    let fake = Fake::start(["--table", "Forum:pages=100000"]);
    let place = Place::new();
    let export = place.export("Forum", &fake.endpoint()).with_intervals("progress=500");
    let mut export = Heard::of(export.start());
    wait_until("it reads", || fake.table_stats("Forum").items > 0);
    fake.faults(json!({"latency_ms": 60_000}));
    let why = format!(" s: no answer from {} (dynamodb:Scan) for ", fake.endpoint());
    export.says(&[", no progress for ", &why]);
    send(export.id(), Signal::SIGTERM);
    ends_saying(&export.finish(), 3, &["stopped by a signal"]);
}

/// A FIFO that no process has open at its other end.
fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap_or(path)).expect("a folder");
    mkfifo(path, Mode::S_IRWXU).expect("a FIFO");
}

#[test]
fn what_is_not_a_regular_file_is_refused_and_not_waited_for() {
    for name in ["manifest", "_tablehaul/export.json", "_tablehaul/journal/00000001.jsonl", "data.json"] {
        let place = Place::new();
        let (folder, path) = (place.folder(), place.folder().join(name));
        fifo(&path);
        let folder = folder.display().to_string();
        let with_table = ["--dynamodb-endpoint", forum()];
        let said = format!("cannot read {}: it is a FIFO, not a regular file", path.display());
        let mut commands = vec![Tablehaul::new(["import", &folder, "Forum"]).args(with_table)];
        if name.contains("journal") {
            commands.push(Tablehaul::new(["status", &folder]));
            commands.push(Tablehaul::new(["clean", "--yes", &folder]));
            commands.push(Tablehaul::new(["verify", &folder]));
            commands.push(Tablehaul::new(["export", "Forum", &folder]).args(with_table));
        }
        if name.starts_with("manifest") {
            commands.push(Tablehaul::new(["verify", &folder]));
        }
        if name.ends_with("export.json") {
            fs::write(place.folder().join("_SUCCESS"), "").expect("a file");
            fs::write(place.folder().join("manifest"), "").expect("a file");
            commands.push(Tablehaul::new(["status", &folder]));
        }
        for command in commands {
            let since = Instant::now();
            says(&command.run(), 2, &[&said]);
            assert!(since.elapsed() < Duration::from_secs(5), "{name}: {:?}", since.elapsed());
        }
        assert!(path.exists());
    }
}

/// `tablehaul` where `folder` is a file system whose calls never return, as on a network file system whose server is
/// gone. `None` if that isn't possible here.
fn on_hung(folder: &Path, args: &[&str]) -> Option<Tablehaul> {
    // Requests of the kernel on descriptor 3 get no answer.
    let mount = "exec 3<>/dev/fuse && mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 hung";
    let mount = format!("{mount} {}", folder.display());
    let works = Command::new("unshare").args(["-rm", "bash", "-c", &mount]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let first = format!(r#"exec unshare -rm bash -c '{mount} && exec "$@"' bash "$@""#);
    Some(Tablehaul::after(&first, args))
}

#[test]
fn a_file_system_that_hangs_keeps_no_command_from_hearing_a_signal() {
    let place = Place::new();
    let hung = place.outer().join("hung");
    fs::create_dir(&hung).expect("a folder");
    let folder = hung.join("backup").display().to_string();
    let with_table = ["--dynamodb-endpoint", forum()];
    let mut commands: Vec<Vec<&str>> = vec![vec!["status", &folder], vec!["verify", &folder]];
    commands.push(vec!["clean", "--yes", &folder]);
    commands.push([&["export", "Forum", &folder][..], &with_table].concat());
    commands.push([&["import", &folder, "Forum"][..], &with_table].concat());
    let mut started = Vec::new();
    for args in &commands {
        let Some(command) = on_hung(&hung, args) else {
            not_tested("no file system that hangs can be mounted here");
            return;
        };
        started.push(Heard::of(command.with_intervals("tell=1000").start()));
    }
    let waiting = format!("waiting for an answer from the file system at {}", hung.display());
    for (mut command, args) in started.into_iter().zip(&commands) {
        command.says(&[&waiting]);
        let since = Instant::now();
        send(command.id(), Signal::SIGTERM);
        let finished = command.finish();
        assert!(since.elapsed() < Duration::from_secs(20), "{args:?}: {:?}", since.elapsed());
        ends_saying(&finished, 3, &["stopped by a signal"]);
    }
    assert_eq!(files(place.outer()), ["hung"]);
}
