//! Replies of the SDK in our words. What lacks an ID or a state says nothing and is left out.

use aws_sdk_emr::types::{Cluster, ClusterSummary, StepSummary};

use crate::view::{ClusterState, ClusterView, Listed, StepState, StepView};

pub(super) fn listed(cluster: ClusterSummary) -> Option<Listed> {
    let status = cluster.status?;
    let created = status.timeline.and_then(|timeline| timeline.creation_date_time);
    Some(Listed {
        id: cluster.id?,
        name: cluster.name.unwrap_or_default(),
        state: ClusterState::named(status.state?.as_str()),
        created_ms: created.and_then(|at| at.to_millis().ok()).unwrap_or_default(),
    })
}

pub(super) fn cluster(cluster: Cluster) -> Option<ClusterView> {
    let status = cluster.status?;
    // Codes of single errors are precise and may be relied on (Amazon EMR Management Guide, "Error codes").
    let detail = status.error_details.and_then(|details| details.into_iter().next());
    let (exact, its_words) = detail.map_or((None, None), |detail| (detail.error_code, detail.error_message));
    let reason = status.state_change_reason;
    let (code, words) = reason.map_or((None, None), |reason| (reason.code, reason.message));
    let code = exact.or_else(|| code.map(|code| code.as_str().to_owned()));
    let words = words.filter(|words| !words.trim().is_empty()).or(its_words);
    let tags = cluster.tags.unwrap_or_default().into_iter();
    Some(ClusterView {
        name: cluster.name.unwrap_or_default(),
        state: ClusterState::named(status.state?.as_str()),
        code,
        message: words.unwrap_or_default().trim().to_owned(),
        logs: cluster.log_uri.map(|uri| uri.trim_end_matches('/').to_owned()),
        tags: tags.filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect(),
    })
}

pub(super) fn step(step: StepSummary) -> Option<StepView> {
    let status = step.status?;
    let reason = status.failure_details.and_then(|details| details.message.or(details.reason));
    Some(StepView {
        id: step.id?,
        name: step.name.unwrap_or_default(),
        state: StepState::named(status.state?.as_str()),
        arguments: step.config.and_then(|config| config.args).unwrap_or_default(),
        reason,
    })
}
