//! What `emr setup` and `emr schedule` print, and the templates that they write.

use std::{path::Path, process::ExitCode};

use clap::ArgMatches;
use emr::{
    account::stack::{Made, Stack, StackError},
    schedule::{SCHEDULED_TIME, Schedule},
};
use job::spec::AwsAccess;

use super::{agree, check_options, request_of, unless_stopped, wanted_export, with_clients};
use crate::{
    cli::args::{ScheduleArgs, ScheduledJob, SetupArgs},
    commands::emr::JobRequest,
    failure::{Failure, Why},
    output::display,
    store::whole_file,
};

/// The stack of the roles.
const STACK: &str = "tablehaul";

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
    let stack = Stack { name: STACK, template: emr::setup::ROLES, parameters: &parameters };
    let access = AwsAccess { region: args.region.clone(), ..AwsAccess::default() };
    let deploy = emr::setup::deploy(STACK, &args.template, args.region.as_deref(), &parameters);
    let roles = if args.create {
        create(&access, &stack, args.yes)?
    } else {
        format!("{} has the roles. Create them, or give --create\n{deploy}", args.template)
    };
    let packages = format!("s3://{}/{}", args.bucket, args.packages.trim_matches('/'));
    let logs = format!("s3://{}/{}", args.bucket, args.logs.trim_matches('/'));
    let v2 = if args.service_policy == "v2" {
        "\n# the tag that AmazonEMRServicePolicy_v2 asks for, on the subnet of the clusters\n\
         aws ec2 create-tags --resources subnet-… --tags Key=for-use-with-amazon-emr-managed-policies,Value=true\n"
    } else {
        ""
    };
    let said = format!(
        "# {roles}\n{v2}\n# the packages: build and upload them\nscripts/package\n\
         emr-bootstrap/upload.sh {packages} dist/tablehaul-*-linux.tar.gz\n\n# where launches find both\n\
         export TABLEHAUL_EMR_INSTALL_FROM={packages} TABLEHAUL_EMR_LOGS={logs}\n\
         tablehaul emr export TABLE s3://{}/{}/TABLE",
        args.bucket,
        args.exports.trim_matches('/'),
    );
    display::result("the setup", &said).map(|()| ExitCode::SUCCESS)
}

pub(super) fn schedule(args: ScheduleArgs, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let refused = |error: emr::schedule::NotSchedulable| Failure::usage(Why::of(error));
    let expression = emr::schedule::cron(&args.cron).map_err(refused)?;
    let (_, matches) = matches.subcommand().unwrap_or(("", matches));
    let ScheduledJob::Export(job) = args.job;
    let mut wanted = wanted_export(*job, matches)?;
    check_options(&wanted.show)?;
    if wanted.how.guest_of.is_some() || wanted.cluster.keep {
        return Err(Failure::usage(
            "a schedule launches a cluster for each run, which ends with it: remove --cluster-id and --keep",
        ));
    }
    let JobRequest::Export(request) = &mut wanted.job else {
        return Err(Failure::usage("only exports are scheduled"));
    };
    if request.destination.is_bucket_root() {
        return Err(Failure::usage(format!("{}: give a folder of the bucket", request.destination)));
    }
    request.destination = request.destination.folder(SCHEDULED_TIME);
    let (access, yes) = (wanted.own.clone(), wanted.how.yes);
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
    let template = format!("{template:#}\n");
    write(&args.template, &template)?;
    let when = format!("launches the job by {} ({})", schedule.expression, schedule.time_zone);
    if args.create {
        let stack = Stack { name: &args.name, template: &template, parameters: &[] };
        let access = AwsAccess { region: Some(region), ..access };
        let said = format!("{}, which {when}", create(&access, &stack, yes)?);
        return display::result("the schedule", &said).map(|()| ExitCode::SUCCESS);
    }
    let deploy = emr::setup::deploy(&args.name, &args.template, Some(&region), &[]);
    let said = format!("# {} {when}. Create the schedule, or give --create\n{deploy}", args.template);
    display::result("the schedule", &said).map(|()| ExitCode::SUCCESS)
}

/// Creates a stack, or changes it, and says so.
fn create(access: &AwsAccess, stack: &Stack<'_>, yes: bool) -> Result<String, Failure> {
    let name = stack.name;
    agree(yes, &format!("this creates or changes the stack {name}"), "nothing was created")?;
    let made = with_clients(access, async |clients, signals| {
        unless_stopped(&signals.stop, async {
            stack.make(&clients).await.map_err(|error| match error {
                StackError::Failed { .. } => Failure::failed(Why::of(error)),
                _ => Failure::refused(Why::of(error)),
            })
        })
        .await
    })?;
    Ok(match made {
        Made::Created => format!("created the stack {name}"),
        Made::Changed => format!("changed the stack {name}"),
        Made::AsItWas => format!("the stack {name} is up to date"),
    })
}

/// Writes a file.
pub(super) fn write(file: &str, template: &str) -> Result<(), Failure> {
    let path = Path::new(file);
    whole_file::write(path, template.as_bytes()).map_err(|error| {
        let why = display::no_file_in(whole_file::folder_of(path), &error, "name a file elsewhere");
        Failure::refused(format!("{file} cannot be written: {why}"))
    })
}
