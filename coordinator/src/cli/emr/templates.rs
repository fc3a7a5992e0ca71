//! What `emr setup` and `emr schedule` print, and the templates that they write.

use std::process::ExitCode;

use clap::ArgMatches;
use emr::schedule::{SCHEDULED_TIME, Schedule};

use super::{request_of, wanted_export};
use crate::{
    cli::args::{ScheduleArgs, ScheduledJob, SetupArgs},
    commands::emr::JobRequest,
    failure::Failure,
    text,
};

pub(super) fn setup(args: &SetupArgs) -> Result<ExitCode, Failure> {
    write(&args.template, emr::setup::ROLES)?;
    let parameters = [
        ("Bucket", args.bucket.clone()),
        ("TableArns", args.table_arn.join(",")),
        ("Prefix", args.exports.trim_matches('/').to_owned()),
        ("LogPrefix", args.logs.trim_matches('/').to_owned()),
        ("BinariesPrefix", args.packages.trim_matches('/').to_owned()),
        ("Access", args.access.clone()),
        ("ServicePolicy", args.service_policy.clone()),
    ];
    let deploy = emr::setup::deploy("tablehaul", &args.template, args.region.as_deref(), &parameters);
    let packages = format!("s3://{}/{}", args.bucket, args.packages.trim_matches('/'));
    let logs = format!("s3://{}/{}", args.bucket, args.logs.trim_matches('/'));
    let v2 = if args.service_policy == "v2" {
        "\n# the tag that AmazonEMRServicePolicy_v2 asks for, on the subnet of the clusters\n\
         aws ec2 create-tags --resources subnet-… --tags Key=for-use-with-amazon-emr-managed-policies,Value=true\n"
    } else {
        ""
    };
    let said = format!(
        "# {} has the roles. Create them\n{deploy}\n{v2}\n# the packages: build and upload them\nscripts/package\n\
         emr-bootstrap/upload.sh {packages} dist/tablehaul-*-linux.tar.gz\n\n# where launches find both\n\
         export TABLEHAUL_EMR_INSTALL_FROM={packages} TABLEHAUL_EMR_LOGS={logs}\n\
         tablehaul emr export TABLE s3://{}/{}/TABLE",
        args.template,
        args.bucket,
        args.exports.trim_matches('/'),
    );
    text::result("the setup", &said).map(|()| ExitCode::SUCCESS)
}

pub(super) fn schedule(args: ScheduleArgs, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let refused = |error: emr::schedule::NotSchedulable| Failure::Refused(error.to_string());
    let expression = emr::schedule::cron(&args.cron).map_err(refused)?;
    let (_, matches) = matches.subcommand().unwrap_or(("", matches));
    let ScheduledJob::Export(job) = args.job;
    let mut wanted = wanted_export(*job, matches)?;
    if wanted.how.guest_of.is_some() || wanted.cluster.keep {
        return Err(Failure::Refused(
            "a schedule launches a cluster for each run, which ends with it: remove --cluster-id and --keep"
                .into(),
        ));
    }
    let JobRequest::Export(request) = &mut wanted.job else {
        return Err(Failure::Refused("only exports are scheduled".into()));
    };
    if request.destination.is_bucket_root() {
        return Err(Failure::Refused(format!("{}: give a folder of the bucket", request.destination)));
    }
    request.destination = request.destination.folder(SCHEDULED_TIME);
    let (request, body, region) = request_of(wanted, matches, "scheduled")?;
    let schedule = Schedule {
        name: args.name.clone(),
        expression,
        time_zone: args.time_zone,
        request: body,
        service_role: request.cluster.service_role.clone(),
        node_role: request.cluster.node_role.clone(),
    };
    let template = emr::schedule::template(&schedule).map_err(refused)?;
    write(&args.template, &format!("{template:#}\n"))?;
    let deploy = emr::setup::deploy(&args.name, &args.template, Some(&region), &[]);
    let said = format!(
        "# {} launches the job by {} ({}). Create the schedule\n{deploy}",
        args.template, schedule.expression, schedule.time_zone
    );
    text::result("the schedule", &said).map(|()| ExitCode::SUCCESS)
}

/// Writes a file.
pub(super) fn write(file: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Refused(format!("{file} cannot be written: {error}")))
}
