//! What EMR's `RunJobFlow` is asked for. A pure function of the options: what `--print` shows is what is sent.

mod checks;

use serde_json::{Value, json};

pub use checks::{Problem, job_problems};

/// Where `install.sh` puts the program.
pub const BINARY: &str = "/home/hadoop/tablehaul/tablehaul";
/// The tag that the policies of `emr-bootstrap` ask for, and that the policies of Data Pipeline's guide ask for.
pub const OWN_TAG: (&str, &str) = ("dynamodbdatapipeline", "true");
/// The tag that `AmazonEMRServicePolicy_v2` asks for (Amazon EMR Management Guide, "Tagging resources to use managed
/// policies").
const SERVICE_TAG: (&str, &str) = ("for-use-with-amazon-emr-managed-policies", "true");
/// `YARN`'s memory for the application master, in MiB. EMR's default is half a node (Amazon EMR Release Guide, "Task
/// configuration").
const MASTER_MIB: &str = "1024";
const MASTER_HEAP: &str = "-Xmx820m";
/// Of the root volume, in GiB.
const ROOT_GIB: u32 = 20;
/// How long EMR waits for spot instances before it takes on-demand ones, in minutes.
const SPOT_MINUTES: u32 = 10;
/// The longest name of a cluster. Source: the model of `RunJobFlow`.
const LONGEST_NAME: usize = 256;

/// The package that clusters install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Where `upload.sh` put it: `s3://bucket/folder`.
    pub folder: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the archive of each architecture.
    pub sums: Vec<String>,
}

/// A job: a command of tablehaul that becomes a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// For people, such as `export Forum`.
    pub name: String,
    /// The arguments of tablehaul.
    pub arguments: Vec<String>,
}

/// The cluster that is to be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterOptions {
    /// EMR's release label, such as `emr-7.13.0`.
    pub release: String,
    /// Instance types. EMR takes the cheapest that is there.
    pub instance_types: Vec<String>,
    /// Core nodes. Without any the leader does the work.
    pub nodes: u32,
    /// Task nodes on spot instances.
    pub spot: u32,
    /// Subnets. EMR takes one of them.
    pub subnets: Vec<String>,
    /// EMR's service role.
    pub service_role: String,
    /// The instance profile of the nodes.
    pub node_role: String,
    /// The name of a security configuration.
    pub security_configuration: Option<String>,
    /// More tags of the cluster and its instances.
    pub tags: Vec<(String, String)>,
    /// Whether the cluster stays when its steps are done.
    pub keep: bool,
    /// Where EMR puts logs: `s3://bucket/folder`.
    pub logs: String,
    /// What clusters install.
    pub package: Package,
}

/// The body of `RunJobFlow`.
pub fn run_job_flow(name: &str, options: &ClusterOptions, jobs: &[Job]) -> Value {
    let package = &options.package;
    let arguments: Vec<&String> =
        [&package.folder, &package.version].into_iter().chain(&package.sums).collect();
    let own = [OWN_TAG, SERVICE_TAG].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let others = options.tags.iter().filter(|(key, _)| own.iter().all(|(own, _)| own != key));
    let tags: Vec<Value> =
        own.iter().chain(others).map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut request = json!({
        "Name": short(name),
        "ReleaseLabel": options.release,
        "LogUri": format!("{}/", options.logs),
        "Applications": [{"Name": "Hadoop"}],
        "ServiceRole": options.service_role,
        "JobFlowRole": options.node_role,
        "StepConcurrencyLevel": 1,
        "EbsRootVolumeSize": ROOT_GIB,
        "VisibleToAllUsers": true,
        "Tags": tags,
        "Instances": instances(options),
        "BootstrapActions": [{
            "Name": "tablehaul",
            "ScriptBootstrapAction": {"Path": format!("{}/install.sh", package.folder), "Args": arguments},
        }],
        "Steps": jobs.iter().map(|job| step(job, options.keep)).collect::<Vec<_>>(),
    });
    if let Some(name) = &options.security_configuration {
        request["SecurityConfiguration"] = json!(name);
    }
    if options.nodes > 0 {
        request["Configurations"] = json!([{
            "Classification": "mapred-site",
            "Properties": {
                "yarn.app.mapreduce.am.resource.mb": MASTER_MIB,
                "yarn.app.mapreduce.am.command-opts": MASTER_HEAP,
            },
        }]);
    }
    request
}

/// The steps that a running cluster gets. It may not have the program: `run.sh` installs it first.
pub fn added_steps(name: &str, package: &Package, region: &str, jobs: &[Job]) -> Value {
    let runner = format!("s3://{region}.elasticmapreduce/libs/script-runner/script-runner.jar");
    let script = format!("{}/run.sh", package.folder);
    let steps = jobs.iter().map(|job| {
        let arguments: Vec<&String> = [&script].into_iter().chain(&job.arguments).collect();
        json!({
            "Name": short(name),
            // The cluster belongs to others as well.
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": runner, "Args": arguments},
        })
    });
    steps.collect()
}

/// Fleets rather than groups: EMR then tries several types and subnets.
fn instances(options: &ClusterOptions) -> Value {
    let types: Vec<Value> = options
        .instance_types
        .iter()
        .map(|kind| json!({"InstanceType": kind, "WeightedCapacity": 1}))
        .collect();
    // A leader has no weight.
    let leader: Vec<Value> =
        options.instance_types.iter().map(|kind| json!({"InstanceType": kind})).collect();
    let mut fleets = vec![json!({
        "Name": "leader", "InstanceFleetType": "MASTER", "TargetOnDemandCapacity": 1,
        "InstanceTypeConfigs": leader,
    })];
    if options.nodes > 0 {
        fleets.push(json!({
            "Name": "core", "InstanceFleetType": "CORE", "TargetOnDemandCapacity": options.nodes,
            "InstanceTypeConfigs": types,
        }));
    }
    if options.spot > 0 {
        fleets.push(json!({
            "Name": "spot", "InstanceFleetType": "TASK", "TargetSpotCapacity": options.spot,
            "InstanceTypeConfigs": types,
            "LaunchSpecifications": {"SpotSpecification": {
                "TimeoutDurationMinutes": SPOT_MINUTES,
                "TimeoutAction": "SWITCH_TO_ON_DEMAND",
                "AllocationStrategy": "price-capacity-optimized",
            }},
        }));
    }
    let mut instances = json!({
        "KeepJobFlowAliveWhenNoSteps": options.keep,
        "TerminationProtected": false,
        "InstanceFleets": fleets,
    });
    if !options.subnets.is_empty() {
        instances["Ec2SubnetIds"] = json!(options.subnets);
    }
    instances
}

fn step(job: &Job, keep: bool) -> Value {
    let arguments: Vec<&str> = [BINARY].into_iter().chain(job.arguments.iter().map(String::as_str)).collect();
    json!({
        "Name": short(&job.name),
        // The other steps end with the first that fails, as the tables of one command do.
        "ActionOnFailure": if keep { "CANCEL_AND_WAIT" } else { "TERMINATE_CLUSTER" },
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": arguments},
    })
}

/// A name as EMR takes it. The end, which tells runs apart, is never cut.
fn short(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_control() || "<>$|`".contains(c) { '_' } else { c }).collect();
    let too_many = clean.chars().count().saturating_sub(LONGEST_NAME);
    if too_many == 0 {
        return clean;
    }
    let kept: String = clean.chars().skip(too_many + 1).collect();
    format!("~{kept}")
}

#[cfg(test)]
mod tests;
