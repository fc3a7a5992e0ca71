//! Unless noted otherwise, the replies are shortened ones of a real Hadoop 3.4.2.

use serde_json::from_str;

use super::{
    applications::{AppState, FinalStatus},
    scheduler::{Most, SchedulerKind},
    *,
};

fn application(reply: &str) -> Application {
    from_str::<Applications>(reply).unwrap().into_newest().unwrap()
}

#[test]
fn the_active_manager_is_known_by_its_state() {
    let active = |state: &str| from_str::<ClusterInfoReply>(state).unwrap().info.is_active();
    assert!(active(
        r#"{"clusterInfo":{"id":1795573196499,"state":"STARTED","haState":"ACTIVE","hadoopVersion":"3.4.2"}}"#
    ));
    assert!(!active(r#"{"clusterInfo":{"state":"STARTED","haState":"STANDBY","hadoopVersion":"3.4.2"}}"#));
}

#[test]
fn nodes_have_free_and_used_memory() {
    let reply = r#"{"nodes":{"node":[{"rack":"/default-rack","state":"RUNNING","id":"127.0.0.11:8041",
        "nodeHostName":"127.0.0.11","numContainers":2,"usedMemoryMB":896,"availMemoryMB":3200,
        "usedVirtualCores":2,"availableVirtualCores":6,"allocationTags":{}}]}}"#;
    let nodes = from_str::<Nodes>(reply).unwrap().into_nodes();
    assert_eq!((nodes[0].free_mb, nodes[0].free_cores, nodes[0].total_mb()), (3200, 6, 4096));
    for none in [r#"{"nodes":null}"#, r#"{"nodes":{}}"#] {
        assert!(from_str::<Nodes>(none).unwrap().into_nodes().is_empty());
    }
}

#[test]
fn a_running_application_has_a_page_and_a_master() {
    let running = application(
        r#"{"apps":{"app":[{"id":"application_1795573196499_0012","user":"hadoop","name":"tablehaul hold",
        "queue":"root.default","state":"RUNNING","finalStatus":"UNDEFINED","progress":5.0,
        "trackingUrl":"http://master:8088/proxy/application_1795573196499_0012/","diagnostics":"",
        "applicationTags":"tablehaul-hold","startedTime":1795573564954,"finishedTime":0,
        "amContainerLogs":"http://core1:8042/node/containerlogs/container_1795573196499_0012_01_000001/hadoop",
        "resourceSecondsMap":{"entry":{"key":"memory-mb","value":"1"},"entry":{"key":"vcores","value":"49"}},
        "timeouts":{"timeout":[{"type":"LIFETIME","expiryTime":"UNLIMITED","remainingTimeInSeconds":-1}]}}]}}"#,
    );
    assert_eq!((running.state, running.final_status), (AppState::Running, FinalStatus::Undefined));
    assert!(!running.state.is_over());
    assert_eq!(running.page(), Some("http://master:8088/proxy/application_1795573196499_0012/"));
}

#[test]
fn who_killed_an_application_stands_in_its_diagnostics() {
    let killed = application(
        r#"{"apps":{"app":[{"id":"application_1795573196499_0012","state":"KILLED","finalStatus":"KILLED",
        "trackingUrl":"UNASSIGNED","diagnostics":"Application application_1795573196499_0012 was killed by user alice"}]}}"#,
    );
    assert!(killed.state.is_over());
    assert_eq!(killed.why(), "Application application_1795573196499_0012 was killed by user alice");
    assert_eq!(killed.page(), None);
}

#[test]
fn diagnostics_are_told_on_one_line_without_repetition() {
    let failed = application(
        r#"{"apps":{"app":[{"id":"application_1795573196499_0006","state":"FINISHED","finalStatus":"KILLED",
        "diagnostics":"The required MAP capability is too much.\nJob received Kill while in RUNNING state.\nThe required MAP capability is too much.\n"}]}}"#,
    );
    assert_eq!(
        failed.why(),
        "The required MAP capability is too much.; Job received Kill while in RUNNING state."
    );
}

#[test]
fn of_several_applications_with_a_tag_the_newest_counts() {
    let reply = r#"{"apps":{"app":[{"id":"b","startedTime":2},{"id":"c","startedTime":3},{"id":"a","startedTime":1}]}}"#;
    assert_eq!(application(reply).id, "c");
    for none in [r#"{"apps":{}}"#, r#"{"apps":null}"#] {
        assert_eq!(from_str::<Applications>(none).unwrap().into_newest(), None);
    }
}

#[test]
fn a_state_of_a_later_version_is_unknown() {
    let reply = r#"{"apps":{"app":[{"id":"a","state":"DREAMING","finalStatus":"ENDED"}]}}"#;
    let later = application(reply);
    assert_eq!((later.state, later.final_status), (AppState::Unknown, FinalStatus::Undefined));
}

#[test]
fn an_expiry_has_milliseconds_and_a_zone_without_a_colon() {
    let time: Timestamp = "2026-11-25T02:27:22.0459Z".parse().unwrap();
    assert_eq!(expiry(time), "2026-11-25T02:27:22.045+0000");
}

#[test]
fn only_failed_attempts_are_told() {
    let tasks = r#"{"tasks":{"task":[{"id":"task_1_0005_m_000000","state":"SUCCEEDED","type":"MAP"},
        {"id":"task_1_0005_m_000001","state":"RUNNING"},{"id":"task_1_0005_m_000002","state":"FAILED"}]}}"#;
    let suspects = from_str::<Tasks>(tasks).unwrap().suspects(2);
    assert_eq!(suspects, ["task_1_0005_m_000002", "task_1_0005_m_000001"]);
    let attempts = r#"{"taskAttempts":{"taskAttempt":[
        {"startTime":1795573387568,"id":"attempt_1795573196499_0005_m_000001_0","state":"FAILED","status":"",
         "nodeHttpAddress":"core1:8042","diagnostics":"Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 42\n\tat org.apache.hadoop","type":"MAP"},
        {"id":"attempt_1795573196499_0005_m_000001_1","state":"KILLED","nodeHttpAddress":"core1:8042",
         "diagnostics":"Task KILL is received. Killing attempt!","type":"MAP"}]}}"#;
    let failed: Vec<_> = from_str::<Attempts>(attempts).unwrap().into_failed().collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (failed[0].id.as_str(), failed[0].node.as_str()),
        ("attempt_1795573196499_0005_m_000001_0", "core1:8042")
    );
}

const CAPACITY: &str = r#"{"scheduler":{"schedulerInfo":{"type":"capacityScheduler","capacity":100.0,"queueName":"root",
    "queuePath":"root","queues":{"queue":[
    {"type":"capacitySchedulerLeafQueueInfo","queueName":"closed","state":"STOPPED","absoluteCapacity":10.0,
     "absoluteMaxCapacity":100.0,"userLimitFactor":1.0,"maxApplications":1000,"numApplications":0},
    {"type":"capacitySchedulerLeafQueueInfo","queueName":"default","state":"RUNNING","absoluteCapacity":60.000004,
     "absoluteMaxCapacity":75.0,"userLimitFactor":1.0,"resourcesUsed":{"memory":1280,"vCores":3},
     "maxApplications":6000,"numApplications":1},
    {"type":"capacitySchedulerLeafQueueInfo","queueName":"tiny","state":"RUNNING","absoluteCapacity":10.0,
     "absoluteMaxCapacity":100.0,"userLimitFactor":-1.0,"maxApplications":1,"numApplications":1},
    {"queueName":"etl","state":"RUNNING","absoluteCapacity":20.0,"queues":{"queue":[
     {"type":"capacitySchedulerLeafQueueInfo","queueName":"nightly","state":"RUNNING","absoluteCapacity":10.0,
      "absoluteMaxCapacity":100.0,"userLimitFactor":20.0,"maxApplications":1000,"numApplications":0}]}}]},
    "maximumAllocation":{"memory":4096,"vCores":4}}}}"#;

fn scheduler(reply: &str) -> Scheduler {
    Scheduler::read(&from_str(reply).unwrap())
}

#[test]
fn a_queue_is_found_by_path_or_name() {
    let scheduler = scheduler(CAPACITY);
    assert_eq!(scheduler.maximum_mb, Some(4096));
    for name in ["nightly", "etl.nightly", "root.etl.nightly"] {
        assert_eq!(scheduler.queue(name).unwrap().unwrap().path, "root.etl.nightly");
    }
}

#[test]
fn a_queue_that_is_unknown_stopped_or_full_is_named() {
    let scheduler = scheduler(CAPACITY);
    let refused = |name| scheduler.queue(name).unwrap_err().to_string();
    let leaves = "root.closed, root.default, root.tiny, root.etl.nightly";
    for name in ["nosuch", "etl"] {
        assert_eq!(
            refused(name),
            format!(
                "queue {name} does not exist or is not a leaf queue: --yarn-queue must be one of {leaves}"
            )
        );
    }
    assert_eq!(refused("closed"), "queue root.closed is stopped: it takes no jobs");
    assert_eq!(refused("tiny"), "queue root.tiny is full: it has 1 of 1 applications");
}

#[test]
fn one_user_gets_no_more_of_a_queue_than_its_factor_says() {
    let scheduler = scheduler(CAPACITY);
    let queue = scheduler.queue("default").unwrap().unwrap();
    assert_eq!((queue.most, queue.free_mb(8192)), (Most::Percent(60.000_004), 4915 - 1280));
    assert_eq!(scheduler.queue("nightly").unwrap().unwrap().most, Most::Percent(100.0));
}

/// After the documentation of the API (`ResourceManagerRest`, "Elements of the Fair Scheduler").
#[test]
fn queues_of_the_fair_scheduler_are_limited_by_resources() {
    let reply = |children: &str| {
        format!(
            r#"{{"scheduler":{{"schedulerInfo":{{"type":"fairScheduler","rootQueue":{{"queueName":"root","childQueues":{children}}}}}}}}}"#
        )
    };
    let queue = r#"[{"type":"fairSchedulerLeafQueueInfo","queueName":"root.default",
        "maxResources":{"memory":8192,"vCores":8},"usedResources":{"memory":1024,"vCores":1}}]"#;
    // A list in Hadoop 2.7, an object around it later.
    for children in [queue.to_owned(), format!(r#"{{"queue":{queue}}}"#)] {
        let scheduler = scheduler(&reply(&children));
        assert_eq!(scheduler.kind, SchedulerKind::Fair);
        assert_eq!(scheduler.queue("default").unwrap().unwrap().free_mb(100_000), 7168);
        // The scheduler may create it when it is named.
        assert_eq!(scheduler.queue("nosuch").unwrap(), None);
    }
}

#[test]
fn a_scheduler_without_queues_refuses_none() {
    let fifo = scheduler(
        r#"{"scheduler":{"schedulerInfo":{"type":"fifoScheduler","capacity":1.0,"qstate":"RUNNING"}}}"#,
    );
    assert_eq!(fifo.queue("default").unwrap(), None);
}
