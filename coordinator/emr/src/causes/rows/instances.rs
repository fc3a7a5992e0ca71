//! Instances, releases and quotas of EC2.

use super::{Kind, Row, coded, said};

/// The first row that fits counts.
pub(super) const INSTANCE_ROWS: &[Row] = &[
    // --- Instances. D: EMG emr-troubleshoot-error-errordetail-validation; words: I, DPG issue 13.
    Row {
        codes: &["VALIDATION_ERROR_INSTANCE_TYPE_NOT_SUPPORTED"],
        says: &[
            "Instance type '{}' is not supported",
            "instance type {} is not supported in the requested Availability Zone",
            "instance type {} is not supported",
        ],
        kind: Kind::InstanceType,
        line: "this release, region or Availability Zone has no {}: choose another with --instance-type, for example \
               m5.xlarge; in a pipeline, with masterInstanceType and coreInstanceType",
    },
    coded(
        &["VALIDATION_ERROR_INSTANCE_TYPE_NOT_SUPPORTED"],
        Kind::InstanceType,
        "this release, region or Availability Zone does not have the instance type: choose another with \
         --instance-type, for example m5.xlarge; in a pipeline, with masterInstanceType and coreInstanceType",
    ),
    said(
        &["release label is invalid: {}"],
        Kind::Release,
        "there is no release {} in this region: choose one that `aws emr list-release-labels` names, with --release; in \
         a pipeline, with releaseLabel",
    ),
    // D: EMG emr-troubleshoot-error-errordetail-internal; words: D, EMG emr-troubleshoot-errors.
    Row {
        codes: &["INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ"],
        says: &["EC2 is out of capacity for {}"],
        kind: Kind::Capacity,
        line: "EC2 has no {} left in this Availability Zone: try again later, or give several types and subnets with \
               --instance-type and --subnet",
    },
    coded(
        &["INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ", "INSTANCE_FLEET_TIMEOUT"],
        Kind::Capacity,
        "EC2 has too few instances of this type in this Availability Zone: try again later, or give several types and \
         subnets with --instance-type and --subnet",
    ),
    coded(
        &["INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY", "INTERNAL_ERROR_SPOT_PRICE_INCREASE_PRIMARY"],
        Kind::Capacity,
        "EC2 took back or did not give the spot instance of the leader: use an on-demand instance for the leader, as \
         tablehaul does; in a pipeline, remove masterInstanceBidPrice",
    ),
    // D: EC2 error codes; I.
    said(
        &["more vCPU capacity than your current vCPU limit of {}", "VcpuLimitExceeded*limit of {}"],
        Kind::Quota,
        "the account may run {} vCPUs of such instances, and the cluster needs more: ask for more in Service Quotas \
         (L-1216C47A for on-demand), or use fewer or smaller instances",
    ),
    Row {
        codes: &["VcpuLimitExceeded", "InstanceLimitExceeded"],
        says: &[
            "EC2 QUOTA EXCEEDED",
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
            "exceeds the EC2 service quota",
        ],
        kind: Kind::Quota,
        line: "your account has reached its limit of instances: ask for more in Service Quotas (L-1216C47A for on-demand), or \
               use fewer or smaller instances",
    },
];
