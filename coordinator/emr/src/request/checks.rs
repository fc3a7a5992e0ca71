//! What is wrong with a request, as far as it is known without a call.

use job::target::BELOW_TOP;

use super::{ClusterOptions, Job};

/// The longest arguments of a step, in characters. Source: Amazon EMR Management Guide, "Submit work to a cluster".
const LONGEST_ARGUMENTS: usize = 10_240;
/// The most steps that wait or run. Source: the same.
const MOST_STEPS: usize = 256;
/// The most tags of a cluster. Source: Amazon EMR Management Guide, "Tag restrictions".
const MOST_TAGS: usize = 50;
/// The oldest release whose running steps can be cancelled (API reference of `CancelSteps`).
const OLDEST: [u32; 2] = [5, 28];

/// Why a request would be refused, or would not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Logs at the top of a bucket.
    #[error("--logs {0}: {BELOW_TOP}")]
    Logs(String),
    /// No folder in S3.
    #[error("--install-from {0}: give the folder that upload.sh was given, such as s3://mybucket/tablehaul")]
    Folder(String),
    /// A malformed checksum.
    #[error("--install-sha256 {0}: give the 64 hexadecimal digits that upload.sh printed")]
    Sum(String),
    /// A malformed or old release.
    #[error("--release {0}: give emr-5.28.0 or a later label, such as emr-7.13.0")]
    Release(String),
    /// No instance type.
    #[error("--instance-type {0}: give a type such as m5.xlarge")]
    InstanceType(String),
    /// Types of two architectures.
    #[error("--instance-type {0} and {1} have different processors: give types of one architecture")]
    Mixed(String, String),
    /// Spot nodes alone.
    #[error("--spot {0}: a cluster with spot nodes needs core nodes, too: give --nodes 1 or more")]
    SpotOnly(u32),
    /// A malformed subnet.
    #[error("--subnet {0}: give an ID such as subnet-0123456789abcdef0")]
    Subnet(String),
    /// A tag that EMR refuses.
    #[error("--cluster-tag {0}: {1}")]
    Tag(String, &'static str),
    /// Too many tags.
    #[error("{0} cluster tags: EMR takes {MOST_TAGS} at most, and tablehaul needs two of them")]
    Tags(usize),
    /// Too many jobs.
    #[error("{0} tables: a cluster takes {MOST_STEPS} steps at most; give fewer tables")]
    Steps(usize),
    /// Too long a step.
    #[error(
        "the arguments of the step {0:?} are longer than {LONGEST_ARGUMENTS} characters, which EMR refuses"
    )]
    Arguments(String),
    /// A folder that nodes cannot reach.
    #[error("{0} is on this machine, and clusters cannot reach it: give a folder in S3")]
    NotInS3(String),
}

impl ClusterOptions {
    /// Everything that is wrong with a launch for these jobs.
    pub fn problems(&self, jobs: &[Job]) -> Vec<Problem> {
        let mut found = Vec::new();
        if !is_s3_folder(&self.logs) {
            found.push(Problem::Logs(self.logs.clone()));
        }
        if !is_release(&self.release) {
            found.push(Problem::Release(self.release.clone()));
        }
        found.extend(self.package_problems());
        found.extend(self.instance_problems());
        let subnets = self.subnets.iter().filter(|id| !id.starts_with("subnet-") || id.len() < 8);
        found.extend(subnets.map(|id| Problem::Subnet(id.clone())));
        found.extend(self.tags.iter().filter_map(|(key, value)| {
            let why = wrong_tag(key, value)?;
            Some(Problem::Tag(format!("{key}={value}"), why))
        }));
        if self.tags.len() + 2 > MOST_TAGS {
            found.push(Problem::Tags(self.tags.len()));
        }
        found.extend(job_problems(jobs));
        found
    }

    /// What is wrong with the package alone.
    pub fn package_problems(&self) -> Vec<Problem> {
        let package = &self.package;
        let mut found = Vec::new();
        // `upload.sh` takes no other characters, because commas would cut a step.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':');
        if !is_s3_folder(&package.folder) || !package.folder.chars().all(is_plain) {
            found.push(Problem::Folder(package.folder.clone()));
        }
        let is_sum = |sum: &&String| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        found.extend(package.sums.iter().filter(|sum| !is_sum(sum)).map(|sum| Problem::Sum(sum.clone())));
        found
    }

    fn instance_problems(&self) -> Vec<Problem> {
        let mut found: Vec<Problem> = self
            .instance_types
            .iter()
            .filter(|kind| !is_instance_type(kind))
            .map(|kind| Problem::InstanceType(kind.clone()))
            .collect();
        if let Some(first) = self.instance_types.first()
            && let Some(other) =
                self.instance_types.iter().find(|kind| is_graviton(kind) != is_graviton(first))
        {
            found.push(Problem::Mixed(first.clone(), other.clone()));
        }
        if self.spot > 0 && self.nodes == 0 {
            found.push(Problem::SpotOnly(self.spot));
        }
        found
    }
}

/// What is wrong with the jobs of a launch, or with those for a running cluster.
pub fn job_problems(jobs: &[Job]) -> Vec<Problem> {
    let too_long = |job: &&Job| {
        let characters: usize = job.arguments.iter().map(|argument| argument.chars().count()).sum();
        characters + super::BINARY.len() > LONGEST_ARGUMENTS
    };
    let long = jobs.iter().filter(too_long).map(|job| Problem::Arguments(job.name.clone()));
    long.chain((jobs.len() > MOST_STEPS).then_some(Problem::Steps(jobs.len()))).collect()
}

/// `s3://bucket/folder`, with a folder.
fn is_s3_folder(text: &str) -> bool {
    let path = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    path.is_some_and(|(bucket, folder)| bucket.len() > 2 && !folder.trim_matches('/').is_empty())
}

fn is_release(label: &str) -> bool {
    let Some(version) = label.strip_prefix("emr-") else { return false };
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.len() == 3 && numbers[..2] >= OLDEST[..])
}

fn is_instance_type(kind: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    kind.split_once('.').is_some_and(|(family, size)| is_word(family) && is_word(size))
}

/// Whether a type has AWS's own ARM processor: a `g` follows the generation, as in `m7gd` (Amazon EC2 User Guide,
/// "Naming conventions").
pub(crate) fn is_graviton(kind: &str) -> bool {
    let family = kind.split('.').next().unwrap_or_default();
    family == "a1"
        || family.split_once(|c: char| c.is_ascii_digit()).is_some_and(|(_, features)| features.contains('g'))
}

fn wrong_tag(key: &str, value: &str) -> Option<&'static str> {
    match () {
        () if key.is_empty() => Some("give KEY=VALUE"),
        () if key.starts_with("aws:") => Some("keys that begin with aws: belong to AWS"),
        () if key.chars().count() > 128 || value.chars().count() > 256 => {
            Some("a key has 128 characters at most, a value 256")
        }
        () => None,
    }
}
