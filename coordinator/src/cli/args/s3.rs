//! The arguments for the requirements of buckets.

use clap::{ArgMatches, Args, builder::FalseyValueParser, parser::ValueSource};
use job::spec::{S3Settings, Sse, account, kms_key, storage_class};

use super::{CANNED_ACLS, error::ArgumentError};

/// What concerns every request.
#[derive(Debug, Args)]
#[command(next_help_heading = "S3")]
pub(in crate::cli) struct BucketArgs {
    /// AWS account that must own the buckets; S3 refuses every request to a bucket of another account.
    /// Applies to all buckets of the command: the backup, --state and --rejects
    #[arg(long, value_name = "ACCOUNT", env = "TABLEHAUL_BUCKET_OWNER", value_parser = account)]
    bucket_owner: Option<String>,

    /// Agree to pay for requests and data, as buckets with Requester Pays require; applies to all buckets
    #[arg(long, env = "TABLEHAUL_REQUESTER_PAYS", value_parser = FalseyValueParser::new())]
    requester_pays: bool,
}

/// What concerns the objects that are written: part files, export.json, manifest and journal of an export, the state
/// and the rejected lines of an import.
#[derive(Debug, Args)]
#[command(next_help_heading = "Objects written to S3")]
pub(in crate::cli) struct ObjectArgs {
    /// Canned ACL of the objects, such as bucket-owner-full-control
    #[arg(long, value_name = "ACL", env = "TABLEHAUL_S3_ACL", value_parser = CANNED_ACLS)]
    s3_acl: Option<String>,

    /// Server-side encryption of the objects, if the bucket's policy requires the header
    #[arg(long, value_name = "SSE", env = "TABLEHAUL_SSE", value_parser = Sse::ALL.map(Sse::name))]
    sse: Option<String>,

    /// KMS key of the objects: its ID, ARN or alias [default: the AWS managed key of S3]
    #[arg(long, value_name = "KEY", env = "TABLEHAUL_SSE_KMS_KEY_ID", value_parser = kms_key)]
    sse_kms_key_id: Option<String>,

    /// Storage class of the objects, such as STANDARD_IA; not one that needs a restore before reading
    #[arg(long, value_name = "CLASS", env = "TABLEHAUL_STORAGE_CLASS", value_parser = storage_class)]
    storage_class: Option<String>,

    /// Tags of the objects, 10 at most
    #[arg(long, value_name = "KEY=VALUE,...", env = "TABLEHAUL_TAGS")]
    tags: Option<String>,
}

impl BucketArgs {
    pub(super) fn settings(&self) -> S3Settings {
        S3Settings {
            bucket_owner: self.bucket_owner.clone(),
            requester_pays: self.requester_pays,
            ..S3Settings::default()
        }
    }
}

impl ObjectArgs {
    /// Adds the settings of written objects to the settings of all requests.
    ///
    /// # Errors
    /// Fails if a setting is invalid. The message has one line.
    pub(in crate::cli) fn add_to(&self, settings: &mut S3Settings) -> Result<(), ArgumentError> {
        let Self { s3_acl, sse, sse_kms_key_id, storage_class, tags } = self;
        let tags = tags.as_deref().unwrap_or_default();
        settings.acl.clone_from(s3_acl);
        settings.sse = sse.as_deref().map(str::parse).transpose()?;
        settings.sse_kms_key_id.clone_from(sse_kms_key_id);
        settings.storage_class.clone_from(storage_class);
        settings.tags = tags.parse().map_err(ArgumentError::Tags)?;
        Ok(settings.check()?)
    }
}

/// The typed flags of this file that have no effect, as a sentence. `has_s3` says whether the command uses anything in
/// S3, `writes_s3` whether it writes an object there.
pub(in crate::cli) fn unused(matches: &ArgMatches, has_s3: bool, writes_s3: bool) -> Option<String> {
    let typed = |id: &&str| {
        let is_known = matches.try_contains_id(id).unwrap_or(false);
        is_known && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let flags = |ids: &[&str]| {
        let flags =
            ids.iter().copied().filter(|id| typed(id)).map(|id| format!("--{}", id.replace('_', "-")));
        flags.collect::<Vec<_>>()
    };
    let of_requests = if has_s3 { Vec::new() } else { flags(&["bucket_owner", "requester_pays"]) };
    let of_objects = ["s3_acl", "sse", "sse_kms_key_id", "storage_class", "tags"];
    let of_objects = if writes_s3 { Vec::new() } else { flags(&of_objects) };
    let unused = [of_requests, of_objects].concat();
    let why = if has_s3 { "nothing is written to S3" } else { "this command uses nothing in S3" };
    (!unused.is_empty()).then(|| format!("{} without effect: {why}", unused.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command, command};
    use clap::FromArgMatches;

    fn settings(line: &str) -> Result<S3Settings, String> {
        let words = std::iter::once("tablehaul").chain(line.split(' '));
        let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        let Command::Export(args) = Cli::from_arg_matches(&matches).unwrap().command else { panic!() };
        let request = args.request(matches.subcommand_matches("export").unwrap());
        let request = request.map_err(|error| error.to_string())?;
        Ok(request.aws.s3)
    }

    #[test]
    fn what_is_typed_reaches_the_settings() {
        let line = "export Forum s3://bucket/x --bucket-owner 123456789012 --requester-pays --sse aws:kms \
                    --sse-kms-key-id alias/backup --storage-class STANDARD_IA --tags team=data,cost=7 --s3-acl private";
        let settings = settings(line).unwrap();
        assert_eq!(settings.bucket_owner.as_deref(), Some("123456789012"));
        assert!(settings.requester_pays);
        assert_eq!(
            (settings.sse, settings.sse_kms_key_id.as_deref()),
            (Some(Sse::Kms), Some("alias/backup"))
        );
        assert_eq!(settings.storage_class.as_deref(), Some("STANDARD_IA"));
        assert_eq!(settings.tags.header(), "team=data&cost=7");
        assert_eq!(settings.acl.as_deref(), Some("private"));
    }

    #[test]
    fn what_s3_would_refuse_is_refused() {
        for (wrong, why) in [
            ("--bucket-owner 1234", "12 digits"),
            ("--sse aes256", "AES256"),
            ("--sse-kms-key-id alias/x", "--sse aws:kms"),
            ("--sse AES256 --sse-kms-key-id alias/x", "--sse aws:kms"),
            ("--storage-class DEEP_ARCHIVE", "lifecycle rule"),
            ("--storage-class cold", "STANDARD_IA"),
            ("--tags team", "--tags"),
        ] {
            let said = settings(&format!("export Forum s3://bucket/x {wrong}")).unwrap_err();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }

    #[test]
    fn flags_without_effect_are_named_if_they_were_typed() {
        let unused = |line: &str, has_s3, writes_s3| {
            let matches = command().try_get_matches_from(format!("tablehaul {line}").split(' ')).unwrap();
            let (_, matches) = matches.subcommand().unwrap();
            super::unused(matches, has_s3, writes_s3)
        };
        let line = "export Forum /x --sse AES256 --requester-pays";
        assert_eq!(unused(line, true, true), None);
        assert_eq!(
            unused(line, false, false).as_deref(),
            Some("--requester-pays, --sse without effect: this command uses nothing in S3")
        );
        let line = "import s3://bucket/x Forum --tags a=b --bucket-owner 123456789012";
        assert_eq!(
            unused(line, true, false).as_deref(),
            Some("--tags without effect: nothing is written to S3")
        );
        assert_eq!(unused("verify /x", false, false), None);
    }
}
