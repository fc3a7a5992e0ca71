//! What IAM refuses, and roles.

use super::{Kind, Row, coded, said};

/// Codes with which IAM refuses a call (D: common errors of the EMR API, of EC2 and of S3).
const DENIED: &[&str] = &["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"];

/// The first row that fits counts.
pub(super) const ACCESS_ROWS: &[Row] = &[
    // --- Permissions. D: service authorization reference; the words are IAM's.
    Row {
        codes: DENIED,
        says: &["not authorized to perform: {}:RunJobFlow"],
        kind: Kind::Permission,
        line: "no permission for {}:RunJobFlow: allow it (emr-bootstrap/policies/launcher.json); if the policy asks for \
               the tag dynamodbdatapipeline, it was sent with the value true",
    },
    Row {
        codes: DENIED,
        says: &["not authorized to perform: iam:PassRole on resource: {}"],
        kind: Kind::Permission,
        line: "no permission to pass {}: allow iam:PassRole on the service role and on the node role \
               (emr-bootstrap/policies/launcher.json)",
    },
    // D: DPG dp-troubleshooting.
    Row {
        codes: DENIED,
        says: &["not authorized to perform: datapipeline:{}"],
        kind: Kind::Permission,
        line: "the resource role of the pipeline may not call datapipeline:{}: give it \
               emr-bootstrap/policies/data-pipeline-resource.json, and let ec2.amazonaws.com assume it",
    },
    // I. Before the general row: the message is about the service role, not about you.
    said(
        &["insufficient EC2 permissions*not authorized to perform: {}"],
        Kind::Permission,
        "the service role may not call {}: with AmazonEMRServicePolicy_v2, tag the subnet, the VPC and your security \
         groups with for-use-with-amazon-emr-managed-policies=true, and let the service role pass the node role \
         (iam:PassRole)",
    ),
    said(
        &["insufficient EC2 permissions"],
        Kind::Permission,
        "the service role may not call EC2: with AmazonEMRServicePolicy_v2, tag the subnet, the VPC and your security \
         groups with for-use-with-amazon-emr-managed-policies=true, and let the service role pass the node role \
         (iam:PassRole)",
    ),
    Row {
        codes: DENIED,
        says: &["not authorized to perform: {}"],
        kind: Kind::Permission,
        line: "no permission for {}: allow it (emr-bootstrap/policies/launcher.json)",
    },
    coded(
        DENIED,
        Kind::Permission,
        "no permission for a call to AWS: compare your policy with emr-bootstrap/policies/launcher.json",
    ),
    // D: EMG using-service-linked-roles-cleanup.
    said(
        &["AWSServiceRoleForEMRCleanup"],
        Kind::Role,
        "the role with which EMR cleans up is missing: aws iam create-service-linked-role --aws-service-name \
         elasticmapreduce.amazonaws.com",
    ),
    // D: DPG dp-troubleshooting.
    Row {
        codes: &["InvalidClientTokenId", "UnrecognizedClientException"],
        says: &["security token included in the request is invalid"],
        kind: Kind::Role,
        line: "the credentials are not valid: check your keys; in a pipeline, its roles and whom they trust",
    },
    // --- Roles. I (mrjob and others); D: EMG emr-iam-roles. No code but ValidationException or VALIDATION_ERROR.
    said(
        &["^{}Role is invalid$"],
        Kind::Role,
        "the service role {}Role is missing, or EMR may not assume it: `tablehaul emr setup` makes the roles; a new role \
         is known to EMR after about a minute",
    ),
    said(
        &["service role {} is invalid"],
        Kind::Role,
        "the service role {} is missing, or EMR may not assume it: `tablehaul emr setup` makes the roles; a new role \
         is known to EMR after about a minute",
    ),
    said(
        &["Invalid InstanceProfile: {}", "Failed to authorize instance profile {}"],
        Kind::Role,
        "the node role {} is missing, or has no instance profile of the same name: `tablehaul emr setup` makes the \
         roles; a new role is known to EMR after about a minute",
    ),
    said(
        &["Failed to authorize instance profile", "Invalid InstanceProfile"],
        Kind::Role,
        "the node role is missing, or has no instance profile of the same name: `tablehaul emr setup` makes the roles; \
         a new role is known to EMR after about a minute",
    ),
    said(
        &["InstanceProfile is required for creating cluster"],
        Kind::Role,
        "no node role was given: name it with --node-role; `tablehaul emr setup` makes the roles",
    ),
];
