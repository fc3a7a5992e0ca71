//! Logs in a folder, notifications, and metrics for `node_exporter`, with real servers. None of them ever fails a job.

use super::running::{endless, has_hidden_bytes, send};
use super::{Place, ends_saying, files, forum, s3, says, wait_until};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests_support::backup::holds_each_item_once;
use tests_support::canned::{Answer, Canned, Request};
use tests_support::command::{Finished, Tablehaul, finish};
use tests_support::{BackupWriter, Fake, Heard};

/// The only folder in `logs`.
#[track_caller]
fn only(logs: &Path) -> PathBuf {
    let mut folders: Vec<_> = fs::read_dir(logs).expect("logs").flatten().map(|entry| entry.path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.swap_remove(0)
}

#[track_caller]
fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The body of a notification.
#[track_caller]
fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

#[test]
fn logs_of_an_export_hold_both_programs_and_the_events_though_standard_error_has_none() {
    let place = Place::new();
    let logs = place.outer().join("logs");
    let export = place.export("Forum", forum()).args(["--workers", "2", "--logs"]).arg(&logs);
    let finished = export.run().succeeded();
    let folder = only(&logs);
    let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(
        name.starts_with("Forum-20") && name.len() == "Forum-2026-01-02T03-04-05Z-01234567".len(),
        "{name}"
    );
    assert!(
        finished.stderr.contains(&format!("logs        file://{}", folder.display())),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains("DEBUG") && !finished.stderr.contains("INFO"), "{}", finished.stderr);
    assert_eq!(files(&folder), ["coordinator.log", "events.jsonl", "worker-1.log", "worker-2.log"]);
    let log = read(folder.join("coordinator.log"));
    for part in [
        " INFO coordinator::cli::logging: tablehaul started",
        " DEBUG coordinator::driver::logging: segment done worker=",
        "exported    Forum to ",
    ] {
        assert!(log.contains(part), "no {part:?} in\n{log}");
    }
    let of_workers = ["worker-1.log", "worker-2.log"].map(|name| read(folder.join(name)));
    assert!(of_workers[1].contains(" INFO worker::serve: worker started worker=2"), "{of_workers:?}");
    // One of them may find nothing left to do.
    assert!(
        of_workers.concat().contains(" DEBUG worker::export::scan: segment read worker="),
        "{of_workers:?}"
    );
    let events = read(folder.join("events.jsonl"));
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert_eq!((&events[0]["event"], &events[0]["schema"]), (&"plan".into(), &1.into()));
    assert_eq!(events.last().expect("events")["event"], "summary");
    holds_each_item_once(&place.folder(), 100);
}

#[test]
fn logs_in_s3_of_an_import_and_of_verify_do_not_overwrite_those_of_another_run() {
    let (place, sink) = (Place::new(), Fake::start(["--table", "Sink:sink=1"]));
    s3().create_bucket("logs-of-jobs");
    place.export("Forum", forum()).run().succeeded();
    let with_logs = |command: Tablehaul| {
        command
            .args(["--region", "us-east-1", "--s3-endpoint", &s3().endpoint()])
            .args(["--logs", "s3://logs-of-jobs/l"])
    };
    for _ in 0..2 {
        with_logs(Tablehaul::import(&place.folder(), "Sink", &sink.endpoint())).run().succeeded();
    }
    let folder = place.folder().to_string_lossy().into_owned();
    with_logs(Tablehaul::new(["verify", &folder])).run().succeeded();
    let objects = s3().objects("logs-of-jobs");
    let of = |start: &str, end: &str| {
        objects.iter().filter(|name| name.starts_with(start) && name.ends_with(end)).count()
    };
    assert_eq!((of("l/Sink-", "/coordinator.log"), of("l/Sink-", "/events.jsonl")), (2, 2), "{objects:?}");
    assert!(of("l/Sink-", "/worker-1.log") == 2, "{objects:?}");
    assert_eq!(
        (of("l/verify-", "/coordinator.log"), of("l/verify-", "/events.jsonl")),
        (1, 1),
        "{objects:?}"
    );
}

#[test]
fn logs_of_a_job_that_fails_or_is_stopped_say_why() {
    let place = Place::new();
    let logs = place.outer().join("logs");
    let missing = place.export("Nothing", forum()).arg("--logs").arg(&logs).run();
    assert_eq!(missing.code, Some(2));
    let folder = only(&logs);
    let last = missing.stderr.lines().last().expect("a line").to_owned();
    assert!(last.starts_with("tablehaul: "), "{last}");
    assert!(read(folder.join("coordinator.log")).contains(&last), "{last}");
    assert!(
        read(folder.join("events.jsonl")).trim_end().lines().last().expect("events").contains("\"error\"")
    );

    let (place, fake) = (Place::new(), endless());
    let logs = place.outer().join("logs");
    let export = place.export("Forum", &fake.endpoint()).arg("--logs").arg(&logs).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    wait_until("there are logs", || logs.is_dir());
    let sent_at = Instant::now();
    send(&export, "TERM");
    let stopped = finish(export);
    assert!(sent_at.elapsed() < Duration::from_secs(15), "it took {:?}", sent_at.elapsed());
    ends_saying(&stopped, 3, &["stopped by a signal"]);
    assert!(read(only(&logs).join("coordinator.log")).contains("stopped by a signal"));
}

#[test]
fn logs_are_refused_where_they_do_not_belong_and_a_dry_run_writes_none() {
    let place = Place::new();
    let logs = place.outer().join("logs");
    let refused = place.export("Forum", forum()).args(["--logs", "s3://bucket"]).run();
    says(
        &refused,
        2,
        &["--logs s3://bucket: give a folder below the top of the bucket, such as s3://mybucket/logs"],
    );
    let folder = place.folder();
    for within in [folder.clone(), folder.join("logs")] {
        let refused = place.export("Forum", forum()).arg("--logs").arg(&within).run();
        says(
            &refused,
            2,
            &[&format!("--logs file://{}: lies in file://{}", within.display(), folder.display())],
        );
        let import = Tablehaul::import(&folder, "Forum", forum()).arg("--logs").arg(&within).run();
        says(&import, 2, &["which is for the backup or the state of the job alone: choose another place"]);
    }
    // The events are opened first, so their folder must exist.
    fs::create_dir(&folder).expect("a folder");
    for option in ["--metrics-file", "--events"] {
        let verify = || Tablehaul::new([Path::new("verify"), &folder]);
        let observed = verify().arg(option).arg(folder.join("observed")).run();
        let within =
            format!("{option} file://{0}/observed: lies in file://{0}, which is for", folder.display());
        says(&observed, 2, &[&within, "choose another place"]);
        let dry = place
            .export("Forum", forum())
            .arg("--dry-run")
            .arg(option)
            .arg(folder.join("../backup/observed"));
        says(&dry.run(), 2, &[&within]);
        let outside = verify().arg(option).arg(folder.join("../observed.prom")).run();
        assert!(!outside.stderr.contains("lies in"), "{}", outside.stderr);
        fs::remove_file(place.outer().join("observed.prom")).expect("a file outside");
        assert_eq!(files(&folder), Vec::<String>::new(), "nothing is left in the folder");
    }
    fs::remove_dir(&folder).expect("an empty folder");
    let options = ["--notify", "http://127.0.0.1:9/x", "--dry-run"];
    place.export("Forum", forum()).arg("--logs").arg(&logs).args(options).run().succeeded();
    place.is_untouched();
}

#[test]
fn logs_that_can_not_be_written_are_told_once_and_the_job_succeeds() {
    let place = Place::new();
    let file = place.outer().join("a-file");
    fs::write(&file, "").expect("a file");
    let export =
        place.export("Forum", forum()).arg("--logs").arg(file.join("logs")).with_intervals("logs=100");
    let finished = export.run().succeeded();
    let warnings = finished.stderr.lines().filter(|line| line.starts_with("tablehaul: warning: --logs "));
    assert_eq!(warnings.count(), 1, "{}", finished.stderr);
    holds_each_item_once(&place.folder(), 100);

    // A server that takes requests and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("its address"));
    let place = Place::new();
    let began = Instant::now();
    let export =
        place.export("Forum", forum()).args(["--s3-endpoint", &endpoint, "--logs", "s3://bucket/logs"]);
    let finished = export.with_intervals("give-up=3000 tell=1000").run().succeeded();
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(!finished.stderr.contains("waiting for an answer"), "{}", finished.stderr);
    holds_each_item_once(&place.folder(), 100);
}

/// A receiver that refuses the first `failures` requests with this status.
fn receiver(failures: usize, status: u16) -> Canned {
    let count = AtomicUsize::new(0);
    Canned::start(move |_| {
        let is_refused = count.fetch_add(1, Ordering::SeqCst) < failures;
        Answer::new(if is_refused { status } else { 200 }, "")
            .header("location", "http://127.0.0.1:9/elsewhere")
    })
}

#[test]
fn receivers_are_told_of_success_and_of_failure_in_json_and_asked_again() {
    let place = Place::new();
    let (web, other) = (receiver(2, 503), receiver(0, 200));
    let host = web.address();
    let secret = format!("http://me:pa%2Fss@{host}/hooks/s3cret?key=also");
    let events = place.outer().join("events");
    let export = place.export("Forum", forum()).args(["--notify", &secret, "--notify", &other.endpoint()]);
    let finished = export.arg("--events").arg(&events).with_intervals("pause=10").run().succeeded();
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    let requests = web.requests();
    assert_eq!(requests.len(), 3);
    let told = body(&requests[2]);
    assert_eq!((&told["event"], &told["exit_code"]), (&"summary".into(), &0.into()));
    assert_eq!(told["subject"], "tablehaul: export of Forum is done");
    assert_eq!(told["result"][0]["items"], 100);
    assert_eq!((requests[2].method.as_str(), requests[2].path.as_str()), ("POST", "/hooks/s3cret?key=also"));
    assert_eq!(requests[2].header("authorization"), "Basic bWU6cGEvc3M=");
    assert_eq!(requests[0].header("idempotency-key"), requests[2].header("idempotency-key"));
    assert_eq!(other.requests().len(), 1);
    let said = format!("{}{}", finished.stderr, read(events));
    for part in ["pa%2Fss", "pa/ss", "s3cret", "key=also"] {
        assert!(!said.contains(part), "{part} is said");
    }
    assert!(said.contains(&format!("http://{host}/…")), "the events name it without its secrets");

    let web = receiver(0, 200);
    let failed = place.export("Nothing", forum()).args(["--notify", &web.endpoint()]).run();
    assert_eq!(failed.code, Some(2));
    let told = body(&web.requests()[0]);
    assert_eq!(
        (&told["event"], &told["kind"], &told["exit_code"]),
        (&"error".into(), &"refused".into(), &2.into())
    );
    let last = failed.stderr.lines().last().unwrap_or_default();
    assert_eq!(last, format!("tablehaul: {}", told["message"].as_str().expect("a message")));
}

#[test]
fn a_receiver_that_refuses_redirects_or_is_silent_changes_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("http://{}/s3cret", silent.local_addr().expect("its address"));
    let (moved, gone, broken) = (receiver(9, 302), receiver(9, 404), receiver(9, 500));
    for (url, why, requests) in [
        (moved.endpoint(), "it redirects elsewhere, which is not followed", Some((&moved, 1))),
        (gone.endpoint(), "it answers with HTTP status 404", Some((&gone, 1))),
        (broken.endpoint(), "it answers with HTTP status 500", Some((&broken, 3))),
        (silent, "not notified: ", None),
    ] {
        let place = Place::new();
        let export = place.export("Forum", forum()).args(["--notify", &format!("{url}/s3cret")]);
        let finished: Finished = export.with_intervals("pause=10").run().succeeded();
        let warnings: Vec<_> = finished.stderr.lines().filter(|line| line.contains("warning")).collect();
        assert_eq!(warnings.len(), 1, "{}", finished.stderr);
        assert!(warnings[0].starts_with("tablehaul: warning: --notify http://127.0.0.1:"), "{warnings:?}");
        assert!(warnings[0].contains(why) && !warnings[0].contains("s3cret"), "{warnings:?}");
        if let Some((server, number)) = requests {
            assert_eq!(server.requests().len(), number, "{url}");
        }
        holds_each_item_once(&place.folder(), 100);
    }
    let place = Place::new();
    for wrong in ["hooks.example.com/s3cret", "ftp://me:s3cret@host/s3cret", "arn:aws:sqs:s3cret"] {
        let finished = place.export("Forum", forum()).args(["--notify", wrong]).run();
        says(&finished, 2, &["--notify: "]);
        assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
    }
    says(&place.export("Forum", forum()).args(["--late-after", "1h"]).run(), 2, &["--notify"]);
    place.is_untouched();
}

#[test]
fn a_stopped_job_does_not_wait_for_a_receiver_that_is_silent() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("http://{}", silent.local_addr().expect("its address"));
    let (place, fake) = (Place::new(), endless());
    let export =
        place.export("Forum", &fake.endpoint()).args(["--notify", &silent, "--logs", "s3://b0cket/x"]);
    let export = export.args(["--s3-endpoint", &silent]).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    let sent_at = Instant::now();
    send(&export, "TERM");
    let stopped = finish(export);
    assert!(sent_at.elapsed() < Duration::from_secs(15), "it took {:?}", sent_at.elapsed());
    assert_eq!(stopped.code, Some(3), "{}", stopped.stderr);
    let mut lines = stopped.stderr.lines().rev();
    assert!(lines.next().is_some_and(|line| line.starts_with("tablehaul: stopped by a signal")));
    let warning = "tablehaul: warning: not all logs, notifications and metrics were taken in time";
    assert_eq!(lines.next(), Some(warning), "{}", stopped.stderr);
}

#[test]
fn a_topic_gets_subject_and_message_signed_for_its_region() {
    let sns = Canned::start(|_| Answer::new(200, "<PublishResponse/>"));
    let place = Place::new();
    let topic = "arn:aws:sns:ap-southeast-2:111122223333:nightly";
    let export = place.export("Forum", forum()).env("AWS_ENDPOINT_URL_SNS", sns.endpoint());
    let finished = export.args(["--region", "us-east-1"]).env("TABLEHAUL_NOTIFY", topic).run().succeeded();
    assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
    let requests = sns.requests();
    assert_eq!((requests.len(), requests[0].region()), (1, "ap-southeast-2"));
    let form = String::from_utf8(requests[0].body.clone()).expect("a form");
    for part in [
        "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aap-southeast-2%3A111122223333%3Anightly",
        "&Subject=tablehaul%3A%20export%20of%20Forum%20is%20done&",
        "&Message=tablehaul%3A%20export%20of%20Forum%20is%20done%0A",
        "%22event%22%3A%22summary%22",
    ] {
        assert!(form.contains(part), "no {part} in {form}");
    }

    let denying = Canned::start(|_| {
        let error = "<Error><Code>AuthorizationError</Code><Message>not authorized</Message></Error>";
        Answer::new(403, format!("<ErrorResponse>{error}</ErrorResponse>"))
    });
    let place = Place::new();
    let export = place.export("Forum", forum()).env("AWS_ENDPOINT_URL_SNS", denying.endpoint());
    let finished = export.args(["--notify", topic]).run().succeeded();
    let warning = format!("tablehaul: warning: --notify {topic}: not notified: sns:Publish: not authorized");
    assert!(finished.stderr.lines().any(|line| line == warning), "{}", finished.stderr);
    assert_eq!(denying.requests().len(), 1);
}

#[test]
fn receivers_are_told_once_that_a_job_is_late_and_then_of_its_end() {
    let (place, fake, web) = (Place::new(), endless(), receiver(0, 200));
    let export =
        place.export("Forum", &fake.endpoint()).args(["--notify", &web.endpoint(), "--late-after", "2s"]);
    let export = export.start();
    wait_until("the receiver hears", || !web.requests().is_empty());
    send(&export, "TERM");
    ends_saying(&finish(export), 3, &["stopped by a signal"]);
    let requests = web.requests();
    assert_eq!(requests.len(), 2);
    let (late, end) = (body(&requests[0]), body(&requests[1]));
    assert_eq!((&late["event"], &late["expected_seconds"]), (&"late".into(), &2.0.into()));
    assert_eq!(late["subject"], "tablehaul: export of Forum is late: it takes longer than 2.0 s");
    assert_eq!((&end["event"], &end["kind"]), (&"error".into(), &"stopped".into()));
    assert_eq!(end["subject"], "tablehaul: export of Forum was stopped");
}

#[test]
fn metrics_are_written_while_a_job_runs_and_keep_the_time_of_the_last_success() {
    let place = Place::new();
    let file = place.outer().join("forum.prom");
    place.export("Forum", forum()).arg("--metrics-file").arg(&file).run().succeeded();
    let first = read(&file);
    for part in [
        "# TYPE tablehaul_items_total counter\ntablehaul_items_total{table=\"Forum\",direction=\"export\"} 100\n",
        "tablehaul_progress_ratio{table=\"Forum\",direction=\"export\"} 1\n",
        "tablehaul_job_info{table=\"Forum\",direction=\"export\",job=\"",
        "tablehaul_last_success_timestamp_seconds{table=\"Forum\",direction=\"export\"} ",
    ] {
        assert!(first.contains(part), "no {part:?} in {first}");
    }
    let success = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("tablehaul_last_success_timestamp_seconds{"));
        line.map(str::to_owned)
    };

    // The same table, in a job that does not succeed.
    let (other, fake) = (Place::new(), endless());
    let export = other.export("Forum", &fake.endpoint()).with_intervals("metrics=100");
    let mut export = Heard::of(export.arg("--metrics-file").arg(&file).start());
    export.wait("items in the file", |_| {
        let text = read(&file);
        let items = text.lines().find_map(|line| {
            line.strip_prefix("tablehaul_items_total{table=\"Forum\",direction=\"export\"} ")
        });
        items.filter(|items| *items != "100" && *items != "0").map(|_| ())
    });
    tests_support::process::send(export.id(), nix::sys::signal::Signal::SIGTERM);
    ends_saying(&export.finish(), 3, &["stopped by a signal"]);
    let second = read(&file);
    assert_eq!(success(&second), success(&first));
    assert!(
        !second.contains("tablehaul_progress_ratio{table=\"Forum\",direction=\"export\"} 1\n"),
        "{second}"
    );
    let left = files(place.outer()).into_iter().filter(|name| name.contains(".tablehaul"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);

    let refused = place.export("Thread", forum()).args(["--metrics-file", "/no/folder/x.prom"]).run();
    says(&refused, 2, &["--metrics-file /no/folder/x.prom: there is no folder /no/folder; create it first"]);
}

/// The plans among the events of a file.
fn plans(events: &Path) -> Vec<Value> {
    let lines = fs::read_to_string(events).unwrap_or_default();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    lines.filter(|line| line["event"] == "plan").collect()
}

#[test]
fn plans_name_the_job_which_is_the_same_in_all_its_runs() {
    let (place, fake) = super::unfinished::stopped();
    let events = place.outer().join("events");
    for _ in 0..2 {
        let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "500", "--workers", "1"]);
        let mut export = Heard::of(export.arg("--events").arg(&events).start());
        let before = plans(&events).len();
        export.wait("a plan", |_| (plans(&events).len() > before).then_some(()));
        tests_support::process::send(export.id(), nix::sys::signal::Signal::SIGTERM);
        ends_saying(&export.finish(), 3, &["stopped"]);
    }
    let jobs: Vec<Value> = plans(&events).into_iter().map(|plan| plan["job"].clone()).collect();
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert!(jobs[0].as_str().is_some_and(|job| job.len() == 36), "{jobs:?}");
    assert_eq!(jobs[0], jobs[1]);
}

#[test]
fn the_plan_of_an_import_says_what_it_is_expected_to_use_and_to_cost() {
    let place = Place::new();
    let sink = Fake::start(["--table", "Sink:sink=1", "--table", "Provisioned:sink=1,wcu=100"]);
    let (backup, events) = (place.outer().join("plain"), place.outer().join("events"));
    BackupWriter::new(50).java_tool(&backup);
    for table in ["Sink", "Provisioned"] {
        let import = Tablehaul::import(&backup, table, &sink.endpoint()).args(["--region", "us-east-1"]);
        import.arg("--events").arg(&events).run().succeeded();
    }
    let plans = plans(&events);
    for plan in &plans {
        assert!(plan["expected_units"].as_f64().is_some_and(|units| units >= 1.0), "{plan}");
        assert!(plan["expected_seconds"].is_f64(), "{plan}");
        assert!(plan["job"].as_str().is_some_and(|job| job.len() == 36), "{plan}");
    }
    // The table without capacity of its own is on demand.
    let price = |plan: &Value| plan["dollars_per_million_units"].clone();
    assert_eq!(plans.iter().map(price).collect::<Vec<_>>(), [Value::from(0.625), Value::Null]);
}

#[test]
fn imports_and_the_java_form_have_these_options_too() {
    let (place, sink, web) = (Place::new(), Fake::start(["--table", "Sink:sink=1"]), receiver(0, 200));
    let backup = place.outer().join("plain");
    BackupWriter::new(50).java_tool(&backup);
    let (logs, file) = (place.outer().join("logs"), place.outer().join("sink.prom"));
    let options = [
        format!("-Dtablehaul.notify={}", web.endpoint()),
        format!("-Dtablehaul.logs={}", logs.display()),
        format!("-Dtablehaul.metrics-file={}", file.display()),
        format!("-Ddynamodb.endpoint={}", sink.endpoint()),
    ];
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBImport";
    let url = format!("file://{}", backup.display());
    let import = Tablehaul::new([class]).args(&options).args([&url, "Sink", "1"]);
    import.env("AWS_REGION", "us-east-1").run().succeeded();
    let told = body(&web.requests()[0]);
    assert_eq!(told["subject"], "tablehaul: import into Sink is done");
    assert!(
        read(only(&logs).join("coordinator.log")).contains("coordinator::cli::logging: tablehaul started")
    );
    assert!(read(file).contains("direction=\"import\""));
}
