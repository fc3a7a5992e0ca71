//! The calls of EMR. None is repeated here: [`crate::launch`] decides that.

mod answers;
mod checks;

use std::{error::Error, time::Duration};

use aws_sdk_emr::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{ClusterState, Tag},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::{
    DateTime, body::SdkBody, error::metadata::ErrorMetadata, retry::RetryConfig, timeout::TimeoutConfig,
};
use job_aws::{Clients, Fault, FaultKind, endpoint_of, waits};
use serde_json::Value;

use crate::{
    launch::{Answer, Call, CallError, Failed},
    view::{ClusterView, Listed, StepView},
};
pub use checks::Unchecked;

/// How long to wait for an answer. EMR mostly answers within a second; `RunJobFlow` within ten.
const CALL_LIMIT: Duration = Duration::from_mins(1);
/// How much the clocks of EMR and of this machine may differ, in seconds.
const SKEW: i64 = 900;
/// The most pages of a list. Each has 50 entries.
const MOST_PAGES: usize = 20;
/// The most steps that one `CancelSteps` takes. Source: its API reference.
const MOST_CANCELLED: usize = 256;

/// A client of EMR in one region.
#[derive(Clone, Debug)]
pub struct Emr {
    client: Client,
    address: String,
    /// The region.
    pub region: String,
}

/// What the calls of a launch send.
#[derive(Clone, Debug)]
pub struct Bodies {
    /// The body of `RunJobFlow`, or the steps of `AddJobFlowSteps`.
    pub launch: Value,
    /// The running cluster that is to take the steps.
    pub guest_of: Option<String>,
    /// When the launch began, in seconds since 1970.
    pub began_at: i64,
}

impl Emr {
    /// The EMR of these clients' region. It uses their credentials.
    pub fn new(clients: &Clients) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(CALL_LIMIT).build();
        let mut builder = aws_sdk_emr::config::Builder::from(&clients.config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        let endpoint = endpoint_of(&clients.config, "EMR");
        let region = clients.region.clone();
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let address = match &endpoint {
            Some(url) => job::visible::without_passwords(url).into_owned(),
            None => format!("https://elasticmapreduce.{region}.amazonaws.com{suffix}"),
        };
        if let Some(url) = endpoint {
            builder = builder.endpoint_url(url);
        }
        Self { client: Client::from_conf(builder.build()), address, region }
    }

    /// Makes a call of a launch.
    ///
    /// # Errors
    /// Says what is known after it: see [`Failed`].
    pub async fn perform(&self, call: &Call, bodies: &Bodies) -> Result<Answer, CallError> {
        match call {
            Call::Find => self.clusters(Some(&ACTIVE), None).await.map(Answer::Clusters),
            Call::Search => self.clusters(None, Some(bodies.began_at - SKEW)).await.map(Answer::Clusters),
            Call::Launch => self.run_job_flow(&bodies.launch).await.map(Answer::Launched),
            Call::AddSteps => self.add_steps(bodies).await.map(|()| Answer::Done),
            Call::Describe(id) => self.describe(id).await.map(Answer::Cluster),
            Call::ListSteps(id) => self.steps(id).await.map(Answer::Steps),
            Call::CancelSteps(id, steps) => self.cancel(id, steps).await.map(|()| Answer::Done),
            Call::Terminate(id) => self.terminate(id).await.map(|()| Answer::Done),
        }
    }

    /// Clusters, the newest first: in these states, and launched since then, in seconds since 1970.
    ///
    /// # Errors
    /// Fails if EMR does not answer as it should.
    pub async fn clusters(
        &self,
        states: Option<&[ClusterState]>,
        since: Option<i64>,
    ) -> Result<Vec<Listed>, CallError> {
        let (mut found, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let request = self.client.list_clusters().set_cluster_states(states.map(<[_]>::to_vec));
            let request = request.set_created_after(since.map(DateTime::from_secs)).set_marker(marker);
            let _waiting = self.waiting("ListClusters");
            let page = Box::pin(request.send()).await;
            let page = page.map_err(|error| self.read_error("ListClusters", "clusters", error))?;
            found.extend(page.clusters.unwrap_or_default().into_iter().filter_map(answers::listed));
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Sends what `--print` shows: the JSON itself, not a copy of it in other words.
    async fn run_job_flow(&self, body: &Value) -> Result<String, CallError> {
        let text = body.to_string();
        let name = body["Name"].as_str().unwrap_or_default();
        let request = self.client.run_job_flow().name(name);
        // The client asks for these; the body below has them.
        let request = request.instances(aws_sdk_emr::types::JobFlowInstancesConfig::builder().build());
        let request = request.tags(Tag::builder().build()).customize();
        let request = request.mutate_request(move |http| {
            http.headers_mut().insert("content-length", text.len().to_string());
            *http.body_mut() = SdkBody::from(text.clone());
        });
        let _waiting = self.waiting("RunJobFlow");
        let done = Box::pin(request.send()).await;
        let done = done.map_err(|error| self.write_error("RunJobFlow", "a cluster", error))?;
        done.job_flow_id.ok_or_else(|| odd("RunJobFlow"))
    }

    async fn add_steps(&self, bodies: &Bodies) -> Result<(), CallError> {
        let id = bodies.guest_of.clone().unwrap_or_default();
        let text = serde_json::json!({"JobFlowId": id, "Steps": bodies.launch}).to_string();
        let step = aws_sdk_emr::types::StepConfig::builder().build();
        let request = self.client.add_job_flow_steps().job_flow_id(&id).steps(step).customize();
        let request = request.mutate_request(move |http| {
            http.headers_mut().insert("content-length", text.len().to_string());
            *http.body_mut() = SdkBody::from(text.clone());
        });
        let _waiting = self.waiting("AddJobFlowSteps");
        let done = Box::pin(request.send()).await;
        done.map(|_| ()).map_err(|error| self.write_error("AddJobFlowSteps", &format!("cluster {id}"), error))
    }

    /// A cluster.
    ///
    /// # Errors
    /// Fails if EMR does not answer as it should.
    pub async fn describe(&self, id: &str) -> Result<ClusterView, CallError> {
        let _waiting = self.waiting("DescribeCluster");
        let reply = Box::pin(self.client.describe_cluster().cluster_id(id).send()).await;
        let reply =
            reply.map_err(|error| self.read_error("DescribeCluster", &format!("cluster {id}"), error))?;
        reply.cluster.and_then(answers::cluster).ok_or_else(|| odd("DescribeCluster"))
    }

    /// The steps of a cluster, the newest first.
    ///
    /// # Errors
    /// Fails if EMR does not answer as it should.
    pub async fn steps(&self, id: &str) -> Result<Vec<StepView>, CallError> {
        let (mut found, mut marker) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let _waiting = self.waiting("ListSteps");
            let request = self.client.list_steps().cluster_id(id).set_marker(marker);
            let page = Box::pin(request.send()).await;
            let page = page.map_err(|error| self.read_error("ListSteps", &format!("cluster {id}"), error))?;
            found.extend(page.steps.unwrap_or_default().into_iter().filter_map(answers::step));
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Asks steps to end, so that their job stops in order.
    ///
    /// # Errors
    /// Fails if EMR does not answer as it should.
    pub async fn cancel(&self, id: &str, steps: &[String]) -> Result<(), CallError> {
        for some in steps.chunks(MOST_CANCELLED) {
            let _waiting = self.waiting("CancelSteps");
            let request = self.client.cancel_steps().cluster_id(id).set_step_ids(Some(some.to_vec()));
            let done = Box::pin(request.send()).await;
            done.map_err(|error| self.read_error("CancelSteps", &format!("cluster {id}"), error))?;
        }
        Ok(())
    }

    /// Ends a cluster.
    ///
    /// # Errors
    /// Fails if EMR does not answer as it should.
    pub async fn terminate(&self, id: &str) -> Result<(), CallError> {
        let _waiting = self.waiting("TerminateJobFlows");
        let done = Box::pin(self.client.terminate_job_flows().job_flow_ids(id).send()).await;
        done.map(|_| ())
            .map_err(|error| self.read_error("TerminateJobFlows", &format!("cluster {id}"), error))
    }

    fn waiting(&self, action: &str) -> waits::Waiting {
        waits::waiting(format!("{} (elasticmapreduce:{action})", self.address))
    }

    /// What is known after a call that may be repeated.
    fn read_error<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
        &self,
        action: &str,
        on: &str,
        error: SdkError<E, HttpResponse>,
    ) -> CallError {
        let said = said(&error);
        let fault = self.fault(action, on, error);
        let failed = match fault.kind {
            FaultKind::Throttled => Failed::Throttled,
            _ if fault.is_retryable() => Failed::Lost,
            _ => Failed::Refused,
        };
        CallError { failed, said, line: fault.message }
    }

    /// What is known after a call that must not be done twice. Only EMR's own refusal says that it was not done.
    fn write_error<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
        &self,
        action: &str,
        on: &str,
        error: SdkError<E, HttpResponse>,
    ) -> CallError {
        let said = said(&error);
        let is_unsent = matches!(error, SdkError::ConstructionFailure(_));
        let is_undelivered = matches!(error, SdkError::DispatchFailure(_));
        let is_refused = is_refusal(&error);
        let fault = self.fault(action, on, error);
        let failed = match fault.kind {
            _ if is_unsent => Failed::Refused,
            // No connection, so nothing was sent.
            FaultKind::Unreachable if is_undelivered => Failed::Throttled,
            FaultKind::Throttled if is_refused => Failed::Throttled,
            _ if is_refused => Failed::Refused,
            _ => Failed::Lost,
        };
        CallError { failed, said, line: fault.message }
    }

    fn fault<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(
        &self,
        action: &str,
        on: &str,
        error: SdkError<E, HttpResponse>,
    ) -> Fault {
        Fault::of(&format!("elasticmapreduce:{action}"), on, &self.address, error)
    }
}

/// The states of clusters that have not begun to end.
pub const ACTIVE: [ClusterState; 4] =
    [ClusterState::Starting, ClusterState::Bootstrapping, ClusterState::Running, ClusterState::Waiting];

fn odd(action: &str) -> CallError {
    let line = format!("elasticmapreduce:{action}: the reply lacks what it should have; check the endpoint");
    CallError { failed: Failed::Lost, line, said: None }
}

/// Whether EMR itself refused the call. What failed within EMR it may have done all the same, although it answers so
/// with status 400, too: `InternalServerError`, `InternalServerException` and `InternalFailure` (EMR API Reference,
/// errors of `RunJobFlow` and `DescribeCluster`; "Common Errors"). A code of this kind that is not listed there counts
/// as well, because a launch must not be sent twice.
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::ServiceError(context) = error else { return false };
    let is_of_client = (400..500).contains(&context.raw().status().as_u16());
    is_of_client && context.err().code().is_some_and(|code| !code.starts_with("Internal"))
}

fn said<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<(String, String)> {
    let meta: &ErrorMetadata = error.as_service_error()?.meta();
    Some((meta.code()?.to_owned(), meta.message().unwrap_or_default().to_owned()))
}
