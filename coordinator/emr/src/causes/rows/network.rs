//! Subnets, security groups and VPCs.

use super::{Kind, Row, coded, said};

/// The first row that fits counts.
pub(super) const NETWORK_ROWS: &[Row] = &[
    // --- Network. D: EMG emr-troubleshoot-error-errordetail-validation, emr-man-sec-groups; words: I.
    said(
        &["subnet configuration was invalid*Cannot find route to InternetGateway*for vpc {}"],
        Kind::Network,
        "the subnet has no route to the internet gateway of {}, and the cluster is not set up for a private subnet: use a \
         public subnet, or a private one with endpoints for S3, DynamoDB and EMR",
    ),
    said(
        &["subnet configuration was invalid"],
        Kind::Network,
        "EMR cannot use the subnet: check its routes, and that it is in the region of the cluster",
    ),
    said(
        &["SubnetId is not valid", "InvalidSubnetID.NotFound", "subnet ID '*' does not exist"],
        Kind::Network,
        "there is no such subnet in this region: correct --subnet or --region; in a pipeline, subnetId or region",
    ),
    Row {
        codes: &["VPCIdNotSpecified"],
        says: &["No default VPC", "VPCIdNotSpecified"],
        kind: Kind::Network,
        line: "the account has no default VPC in this region: name a subnet with --subnet; in a pipeline, with subnetId",
    },
    coded(
        &["VALIDATION_ERROR_SUBNET_NOT_FROM_ONE_VPC"],
        Kind::Network,
        "the subnets are not all in one VPC: name subnets of one VPC",
    ),
    coded(
        &["VALIDATION_ERROR_SECURITY_GROUP_NOT_FROM_ONE_VPC"],
        Kind::Network,
        "a security group is not in the VPC of the subnet: use groups of that VPC",
    ),
    coded(
        &["VALIDATION_ERROR_INVALID_SSH_KEY_NAME"],
        Kind::Request,
        "there is no such key pair in this region: remove it, or name one of this region",
    ),
    said(
        &["ServiceAccessSecurityGroup is missing ingress rule"],
        Kind::Network,
        "the service access group lets nothing in: add a rule for TCP port 9443 from the group of the leader",
    ),
];
