use super::*;

fn options() -> ClusterOptions {
    ClusterOptions {
        release: "emr-7.13.0".into(),
        instance_types: vec!["m5.xlarge".into()],
        nodes: 0,
        spot: 0,
        subnets: Vec::new(),
        service_role: "tablehaul-service".into(),
        node_role: "tablehaul-node".into(),
        security_configuration: None,
        tags: Vec::new(),
        keep: false,
        logs: "s3://mybucket/logs".into(),
        package: Package {
            folder: "s3://mybucket/tablehaul".into(),
            version: "0.1.0".into(),
            sums: vec!["0".repeat(64)],
        },
    }
}

fn job(name: &str, arguments: &[&str]) -> Job {
    Job { name: name.into(), arguments: arguments.iter().map(|&argument| argument.to_owned()).collect() }
}

#[test]
fn a_cluster_of_one_instance_installs_runs_and_ends() {
    let jobs = [job("export Forum", &["export", "Forum", "s3://mybucket/exports"])];
    let request = run_job_flow("tablehaul export Forum 1 2", &options(), &jobs);
    let instances = &request["Instances"];
    assert_eq!(instances["KeepJobFlowAliveWhenNoSteps"], false);
    assert_eq!(instances["TerminationProtected"], false);
    assert_eq!(instances["InstanceFleets"].as_array().map(Vec::len), Some(1));
    assert_eq!(instances["InstanceFleets"][0]["TargetOnDemandCapacity"], 1);
    assert_eq!(instances.get("Ec2SubnetIds"), None);
    let step = &request["Steps"][0];
    assert_eq!(step["ActionOnFailure"], "TERMINATE_CLUSTER");
    assert_eq!(step["HadoopJarStep"]["Args"], json!([BINARY, "export", "Forum", "s3://mybucket/exports"]));
    let install = &request["BootstrapActions"][0]["ScriptBootstrapAction"];
    assert_eq!(install["Path"], "s3://mybucket/tablehaul/install.sh");
    assert_eq!(install["Args"], json!(["s3://mybucket/tablehaul", "0.1.0", "0".repeat(64)]));
    assert_eq!(request["Tags"][0], json!({"Key": "dynamodbdatapipeline", "Value": "true"}));
    assert_eq!(request["LogUri"], "s3://mybucket/logs/");
    assert_eq!(request.get("Configurations"), None);
}

#[test]
fn several_tables_are_several_steps_of_one_cluster() {
    let jobs = [job("export A", &["export", "A"]), job("export B", &["export", "B"])];
    let request = run_job_flow("n", &ClusterOptions { keep: true, ..options() }, &jobs);
    assert_eq!(request["Steps"].as_array().map(Vec::len), Some(2));
    assert_eq!(request["Steps"][1]["ActionOnFailure"], "CANCEL_AND_WAIT");
    assert_eq!(request["Instances"]["KeepJobFlowAliveWhenNoSteps"], true);
}

#[test]
fn nodes_spot_subnets_and_security_are_asked_for() {
    let options = ClusterOptions {
        nodes: 3,
        spot: 4,
        subnets: vec!["subnet-a1".into(), "subnet-b2".into()],
        instance_types: vec!["m5.xlarge".into(), "m6i.xlarge".into()],
        security_configuration: Some("encrypted".into()),
        tags: vec![("team".into(), "data".into()), ("dynamodbdatapipeline".into(), "false".into())],
        ..options()
    };
    let request = run_job_flow("n", &options, &[]);
    let fleets = request["Instances"]["InstanceFleets"].as_array().unwrap();
    let kinds: Vec<_> = fleets.iter().map(|fleet| fleet["InstanceFleetType"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["MASTER", "CORE", "TASK"]);
    assert_eq!(fleets[1]["TargetOnDemandCapacity"], 3);
    assert_eq!(fleets[2]["TargetSpotCapacity"], 4);
    assert_eq!(fleets[0]["InstanceTypeConfigs"].as_array().map(Vec::len), Some(2));
    assert_eq!(request["Instances"]["Ec2SubnetIds"], json!(["subnet-a1", "subnet-b2"]));
    assert_eq!(request["SecurityConfiguration"], "encrypted");
    assert_eq!(request["Configurations"][0]["Properties"]["yarn.app.mapreduce.am.resource.mb"], "1024");
    let tags = request["Tags"].as_array().unwrap();
    assert_eq!(tags.len(), 3, "the tag that policies need keeps its value: {tags:?}");
}

#[test]
fn a_running_cluster_gets_steps_that_install_and_harm_nobody() {
    let steps = added_steps("n 1 2", &options().package, "eu-west-1", &[job("x", &["export", "A"])]);
    assert_eq!(steps[0]["ActionOnFailure"], "CONTINUE");
    let jar = &steps[0]["HadoopJarStep"];
    assert_eq!(jar["Jar"], "s3://eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar");
    assert_eq!(jar["Args"], json!(["s3://mybucket/tablehaul/run.sh", "export", "A"]));
}

#[test]
fn a_name_is_cut_at_its_beginning() {
    assert_eq!(short("a<b>\n"), "a_b__");
    let long = short(&format!("{} 12ab 34cd", "x".repeat(300)));
    assert_eq!(long.chars().count(), LONGEST_NAME);
    assert!(long.ends_with("x 12ab 34cd"), "{long}");
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    assert_eq!(options().problems(&[job("x", &["export"])]), []);
    let wrong = ClusterOptions {
        logs: "s3://mybucket".into(),
        release: "emr-5.23.0".into(),
        instance_types: vec!["m5.xlarge".into(), "m6g.xlarge".into(), "big".into()],
        spot: 1,
        subnets: vec!["vpc-1".into()],
        tags: vec![("aws:x".into(), "1".into())],
        package: Package {
            folder: "s3://mybucket/a,b".into(),
            version: "1".into(),
            sums: vec!["abc".into()],
        },
        ..options()
    };
    let found = wrong.problems(&[job("export Forum", &[&"x".repeat(20_000)])]);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    for part in [
        "--logs",
        "--release",
        "--install-from",
        "--install-sha256",
        "big",
        "m6g",
        "--spot",
        "--subnet",
        "aws:",
        "10240",
    ] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:?}");
    }
}

#[test]
fn architectures_are_told_apart_by_the_name() {
    for arm in
        ["m6g.xlarge", "m7gd.xlarge", "c7gn.large", "r8g.2xlarge", "im4gn.large", "x2gd.large", "a1.large"]
    {
        assert!(checks::is_graviton(arm), "{arm}");
    }
    for other in ["m5.xlarge", "g4dn.xlarge", "m6i.xlarge", "m5ad.large", "c7i-flex.large"] {
        assert!(!checks::is_graviton(other), "{other}");
    }
}
