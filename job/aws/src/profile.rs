//! The profile of the shared configuration files, and whether it exists.

use std::path::{Path, PathBuf};

use aws_config::profile::{ProfileSet, load};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use crate::{Fault, FaultKind};

/// The most profiles that a message lists when the given one is missing.
const MOST_NAMED: usize = 5;
/// The longest shared configuration file that is read.
const LONGEST_PROFILE_FILE: u64 = 4 * 1024 * 1024;

/// How the profile was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    /// By flag. Credentials come from it alone, as in the AWS command line (botocore's `create_credential_resolver`
    /// then skips those of the environment).
    Given(String),
    /// By this environment variable. Credentials in the environment come before it.
    Variable(&'static str, String),
    /// None was given.
    Default,
}

impl Choice {
    /// `AWS_PROFILE` or, as in the AWS command line, `AWS_DEFAULT_PROFILE`, which the SDK does not read. Empty ones
    /// count as not set.
    fn of(given: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Self {
        if let Some(name) = given {
            return Self::Given(name.to_owned());
        }
        let named = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].into_iter().find_map(|name| {
            variable(name).filter(|value| !value.is_empty()).map(|value| Self::Variable(name, value))
        });
        named.unwrap_or(Self::Default)
    }

    fn name(&self) -> &str {
        match self {
            Self::Given(name) | Self::Variable(_, name) => name,
            Self::Default => "default",
        }
    }

    /// Whether it is an error if no file defines it. As in the AWS command line, `default` need not be defined, unless
    /// it was given by flag.
    fn must_exist(&self) -> bool {
        match self {
            Self::Given(_) => true,
            Self::Variable(_, name) => name != "default",
            Self::Default => false,
        }
    }
}

/// The shared configuration files, and the profile in use.
#[derive(Debug)]
pub(crate) struct Profile {
    choice: Choice,
    set: ProfileSet,
}

impl Profile {
    /// Reads the files.
    ///
    /// # Errors
    /// Fails if the given profile is in none of them.
    pub(crate) async fn find(given: Option<&str>) -> Result<Self, Fault> {
        let env = Env::real();
        let choice = Choice::of(given, |name| env.get(name).ok());
        // The SDK would read without end.
        for path in paths(&env) {
            files::check_end(&path, LONGEST_PROFILE_FILE)
                .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        }
        let name = choice.name().to_owned();
        let loaded = load(&Fs::real(), &env, &EnvConfigFiles::default(), Some(name.into())).await;
        let set = match loaded {
            Ok(set) => set,
            // Files that can't be read do no harm if no profile was given.
            Err(_) if !choice.must_exist() => ProfileSet::default(),
            Err(error) => {
                let (name, why) = (choice.name().escape_debug().to_string(), crate::fault::chain(&error));
                return Err(wrong(format!("profile {name}: {} can't be read: {why}", files(&env))));
            }
        };
        if choice.must_exist() && set.get_profile(choice.name()).is_none() {
            return Err(wrong(undefined(&choice, &set, &files(&env))));
        }
        let is_used = matches!(choice, Choice::Given(_)) || env.get("AWS_ACCESS_KEY_ID").is_err();
        let property = |profile: &str, key: &str| set.get_profile(profile)?.get(key).map(str::to_owned);
        let is_defined = |profile: &str| set.get_profile(profile).is_some();
        if is_used && let Some(source) = missing_source(choice.name(), property, is_defined) {
            let (name, source) = (choice.name().escape_debug(), source.escape_debug());
            let why =
                format!("the profile {name} takes its credentials from {source}, which is not defined in");
            return Err(wrong(format!("{why} {}", files(&env))));
        }
        Ok(Self { choice, set })
    }

    /// Its name, for the SDK.
    pub(crate) fn name(&self) -> &str {
        self.choice.name()
    }

    /// Whether credentials come from it alone.
    pub(crate) fn is_explicit(&self) -> bool {
        matches!(self.choice, Choice::Given(_))
    }

    /// A setting of the profile.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.set.get(key).filter(|value| !value.is_empty())
    }
}

/// The profile that another one takes its credentials from, if no file defines it. The SDK would then use the role of
/// the instance.
fn missing_source(
    name: &str,
    property: impl Fn(&str, &str) -> Option<String>,
    is_defined: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut seen = vec![name.to_owned()];
    loop {
        let last = seen.last()?;
        property(last, "role_arn")?;
        let source = property(last, "source_profile")?;
        if !is_defined(&source) {
            return Some(source);
        }
        // A cycle, or a profile that names itself and has keys of its own: the SDK handles both.
        if seen.contains(&source) {
            return None;
        }
        seen.push(source);
    }
}

fn wrong(why: String) -> Fault {
    Fault::new(FaultKind::Misconfigured, why)
}

/// The shared configuration files.
fn paths(env: &Env) -> [PathBuf; 2] {
    let file = |variable: &str, default: &str| {
        let home = env.get("HOME").unwrap_or_else(|_| "~".into());
        let path = env.get(variable).ok().filter(|path| !path.is_empty());
        path.map_or_else(|| Path::new(&home).join(default), PathBuf::from)
    };
    [file("AWS_CONFIG_FILE", ".aws/config"), file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")]
}

/// The files that were read.
pub(crate) fn files(env: &Env) -> String {
    let [config, credentials] = paths(env);
    format!("{} or {}", config.display(), credentials.display())
}

fn undefined(choice: &Choice, set: &ProfileSet, files: &str) -> String {
    let name = choice.name().escape_debug();
    let by = match choice {
        Choice::Variable(variable, _) => format!(" of {variable}"),
        Choice::Given(_) | Choice::Default => String::new(),
    };
    let mut others: Vec<&str> = set.profiles().collect();
    others.sort_unstable();
    let more = if others.len() > MOST_NAMED { ", …" } else { "" };
    let some: Vec<String> =
        others.iter().take(MOST_NAMED).map(|name| name.escape_debug().to_string()).collect();
    let others = match &some[..] {
        [] => "no profile is".to_owned(),
        some => format!("defined: {}{more}", some.join(", ")),
    };
    format!("the profile {name}{by} is not defined in {files} ({others})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(given: Option<&str>, variables: &[(&str, &str)]) -> Choice {
        Choice::of(given, |name| {
            variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_given_profile_beats_variables_and_empty_ones_do_not_count() {
        let both = [("AWS_PROFILE", "a"), ("AWS_DEFAULT_PROFILE", "b")];
        assert_eq!(choice(Some("x"), &both), Choice::Given("x".into()));
        assert_eq!(choice(None, &both), Choice::Variable("AWS_PROFILE", "a".into()));
        assert_eq!(choice(None, &both[1..]), Choice::Variable("AWS_DEFAULT_PROFILE", "b".into()));
        assert_eq!(choice(None, &[("AWS_PROFILE", "")]), Choice::Default);
        assert_eq!(choice(None, &[]).name(), "default");
    }

    #[test]
    fn only_a_default_that_nobody_typed_need_not_exist() {
        assert!(choice(Some("default"), &[]).must_exist());
        assert!(choice(None, &[("AWS_PROFILE", "a")]).must_exist());
        assert!(!choice(None, &[("AWS_PROFILE", "default")]).must_exist());
        assert!(!choice(None, &[]).must_exist());
    }

    #[test]
    fn a_source_profile_that_is_missing_is_found_however_far_it_is() {
        let missing = |name: &str| {
            let property = |profile: &str, key: &str| match (profile, key) {
                ("a" | "b" | "loop", "role_arn") => Some("arn".to_owned()),
                ("a" | "no-role", "source_profile") => Some("b".to_owned()),
                ("b", "source_profile") => Some("gone".to_owned()),
                ("loop", "source_profile") => Some("loop".to_owned()),
                _ => None,
            };
            missing_source(name, property, |profile| profile != "gone")
        };
        assert_eq!(missing("a").as_deref(), Some("gone"));
        assert_eq!(missing("b").as_deref(), Some("gone"));
        for whole in ["loop", "no-role", "keys"] {
            assert_eq!(missing(whole), None, "{whole}");
        }
    }

    #[test]
    fn an_undefined_profile_is_told_with_the_files_and_the_variable() {
        let why = undefined(&choice(None, &[("AWS_PROFILE", "a\n")]), &ProfileSet::default(), "x or y");
        assert_eq!(why, "the profile a\\n of AWS_PROFILE is not defined in x or y (no profile is)");
    }
}
