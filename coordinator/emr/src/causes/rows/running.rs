//! What happens to a cluster, a step or an activity of Data Pipeline once it was asked for.

use super::{Kind, Row, coded, said};

/// Codes of too many calls (D: common errors of the EMR API, of EC2 and of S3).
const THROTTLED: &[&str] = &["ThrottlingException", "Throttling", "RequestLimitExceeded"];
/// A bootstrap action failed (D: EMG emr-troubleshoot-error-errordetail-bootstrap, API `ClusterStateChangeReason`).
const BOOTSTRAP: &[&str] = &["BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"];
const DOWNLOAD: &[&str] = &["BOOTSTRAP_FAILURE", "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY"];

/// The first row that fits counts.
pub(super) const RUNNING_ROWS: &[Row] = &[
    // --- Too many calls. Worth repeating. D: common errors; words: I.
    Row {
        codes: THROTTLED,
        says: &[
            "Throttled from Amazon EC2 while launching cluster",
            "throttling from Amazon EC2",
            "Rate exceeded",
        ],
        kind: Kind::Throttled,
        line: "AWS throttles the calls of this account: try again later",
    },
    // --- Bootstrap actions.
    Row {
        codes: BOOTSTRAP,
        says: &["On the master instance ({}), bootstrap action {} returned a non-zero return code"],
        kind: Kind::Bootstrap,
        line: "on the leader ({}), bootstrap action {} failed: the last line of its stderr.gz says why",
    },
    Row {
        codes: BOOTSTRAP,
        says: &["On {} slave instances (including*bootstrap action {} returned a non-zero return code"],
        kind: Kind::Bootstrap,
        line: "on {} core or task nodes, bootstrap action {} failed, and tablehaul's does nothing there: the last line \
               of its stderr.gz says why",
    },
    Row {
        codes: DOWNLOAD,
        says: &["Master instance ({}) failed attempting to download bootstrap action {} file from S3"],
        kind: Kind::Bootstrap,
        line: "the leader ({}) could not download bootstrap action {}: check that its object exists in a bucket of the \
               cluster's region, and that the node role may read it (s3:GetObject)",
    },
    coded(
        &["BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY"],
        Kind::Bootstrap,
        "the leader could not download a bootstrap action: check that its object exists in a bucket of the cluster's \
         region, and that the node role may read it (s3:GetObject)",
    ),
    coded(
        &["BOOTSTRAP_FAILURE_FILE_NOT_FOUND_PRIMARY"],
        Kind::Bootstrap,
        "a bootstrap action did not find a file on the leader: the last line of its stderr.gz says which",
    ),
    coded(
        &[
            "BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_PRIMARY",
            "BOOTSTRAP_FAILURE_INSUFFICIENT_DISK_SPACE_WORKER",
        ],
        Kind::Bootstrap,
        "the disk of a node was full before the cluster ran: use instances with more storage",
    ),
    coded(
        &[
            "BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR_PRIMARY",
            "BOOTSTRAP_FAILURE_HIVE_METASTORE_CONNECTION_ERROR_WORKER",
        ],
        Kind::Bootstrap,
        "a node could not reach the Hive metastore: remove Hive from the applications; tablehaul needs Hadoop only",
    ),
    coded(BOOTSTRAP, Kind::Bootstrap, "a bootstrap action failed: the last line of its stderr.gz says why"),
    // --- Steps and ends. D: API ClusterStateChangeReason.
    Row {
        codes: &["STEP_FAILURE"],
        says: &["Shut down as step failed", "Steps completed with errors"],
        kind: Kind::Step,
        line: "the step failed: the last line of its stderr.gz says why",
    },
    coded(
        &["USER_REQUEST"],
        Kind::Stopped,
        "somebody ended the cluster: run the same command again to resume",
    ),
    coded(
        &["INSTANCE_FAILURE"],
        Kind::Instance,
        "the cluster lost instances: run the same command again to resume",
    ),
    coded(&["ALL_STEPS_COMPLETED"], Kind::Done, "all steps are complete"),
    // --- Clusters of others.
    said(
        &["Runtime roles are required for this cluster"],
        Kind::Cluster,
        "this cluster takes only steps with a runtime role, which EMR has for Spark and Hive: use another cluster",
    ),
    said(
        &["Cluster id '{}' is not valid"],
        Kind::Cluster,
        "there is no cluster {} in this region and account: check --region",
    ),
    // --- S3. D: error responses of S3.
    Row {
        codes: &["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"],
        says: &[
            "specified location-constraint is not valid",
            "must be addressed using the specified endpoint",
            "Status Code: 301",
        ],
        kind: Kind::Storage,
        line: "a bucket is in another region: the buckets for logs and for the program must be in the region of the \
               cluster; that of the backup may be anywhere",
    },
    // --- Data Pipeline. D: DPG dp-interpret-status.
    coded(
        &["WAITING_ON_DEPENDENCIES"],
        Kind::Pipeline,
        "the activity waits for its input or for another activity: check that the input exists, and that the role of \
         the pipeline may read it",
    ),
    coded(
        &["PENDING"],
        Kind::Pipeline,
        "the pipeline does not run: `aws datapipeline validate-pipeline-definition` says what is wrong",
    ),
    coded(
        &["WAITING_FOR_RUNNER"],
        Kind::Pipeline,
        "the activity waits for a cluster: see whether its EmrCluster starts; with workerGroup, whether a task runner \
         asks for this group",
    ),
    coded(
        &["TIMEDOUT"],
        Kind::Pipeline,
        "the activity ran longer than attemptTimeout or terminateAfter allow: raise them; a retry resumes",
    ),
    // --- Nothing to be known. I; D: EMG emr-troubleshoot-errors.
    said(
        &["User account is not authorized to call EC2"],
        Kind::Internal,
        "EMR says that the account may not call EC2: check that the account is active, and the service role; ask AWS \
         Support with the id of the cluster",
    ),
    said(
        &["An internal error occurred"],
        Kind::Internal,
        "EMR says \"An internal error occurred\" and no more: try again; if it stays, ask AWS Support with the id of the \
         cluster",
    ),
];
