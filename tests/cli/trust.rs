//! Which certificates are trusted, and what is said about those that are not.

use super::{Place, forum, s3, says};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests_support::canned::Canned;
use tests_support::command::Tablehaul;
use tests_support::http;
use tests_support::tls::{Authority, Flaw};

/// A temporary file with the bundle of an authority.
struct Bundle {
    authority: Authority,
    place: Place,
}

impl Bundle {
    fn new() -> Self {
        let bundle = Self { authority: Authority::new(), place: Place::new() };
        bundle.authority.write(&bundle.path());
        bundle
    }

    fn path(&self) -> PathBuf {
        self.place.outer().join("authority.pem")
    }

    /// The table of all tests, behind TLS.
    fn forum(&self, flaw: Flaw) -> String {
        self.authority.before(http::address(forum()), flaw)
    }
}

#[test]
fn a_bundle_is_trusted_for_dynamodb_s3_and_sts_by_coordinator_and_workers() {
    let bundle = Bundle::new();
    s3().create_bucket("bundled");
    let sts = Canned::sts(&[("testkey", "111122223333", "arn:aws:iam::111122223333:user/x")]);
    let (tls_s3, tls_sts) = (
        bundle.authority.before(http::address(&s3().endpoint()), Flaw::None),
        bundle.authority.before(sts.address(), Flaw::None),
    );
    let forum = bundle.forum(Flaw::None);
    let profile = bundle.place.outer().join("config");
    let text = format!("[default]\nregion = us-east-1\nca_bundle = {}\n", bundle.path().display());
    fs::write(&profile, text).expect("a file");
    let no_file = bundle.place.outer().join("none");
    for (number, variables) in [
        vec![("AWS_CA_BUNDLE", bundle.path())],
        vec![("AWS_CONFIG_FILE", profile.clone())],
        // An empty variable counts as none.
        vec![("AWS_CONFIG_FILE", profile.clone()), ("AWS_CA_BUNDLE", PathBuf::new())],
    ]
    .iter()
    .enumerate()
    {
        let destination = format!("s3://bundled/{number}");
        let export = Tablehaul::new(["export", "Forum", &destination, "--account", "111122223333"]);
        let export = export.args(["--dynamodb-endpoint", &forum, "--s3-endpoint", &tls_s3]);
        let export = export.env("AWS_ENDPOINT_URL_STS", &tls_sts);
        variables.iter().fold(export, |export, (name, value)| export.env(name, value)).run().succeeded();
        let verify = Tablehaul::new(["verify", &destination, "--s3-endpoint", &tls_s3]);
        variables.iter().fold(verify, |verify, (name, value)| verify.env(name, value)).run().succeeded();
    }
    // The variable has precedence.
    let place = Place::new();
    let both = place.export("Forum", &forum).env("AWS_CONFIG_FILE", profile).env("AWS_CA_BUNDLE", &no_file);
    says(&both.run(), 2, &["AWS_CA_BUNDLE: ", "none: can't be read"]);
}

#[test]
fn an_unusable_bundle_is_refused() {
    let place = Place::new();
    let folder = place.outer().to_string_lossy().into_owned();
    let files = Place::new();
    let text = files.outer().join("text");
    fs::write(&text, "hello").expect("a file");
    let text = text.to_string_lossy().into_owned();
    for (bundle, said) in [
        ("/no/such/file.pem", "can't be read"),
        (folder.as_str(), "is a folder"),
        (text.as_str(), "holds no certificate in PEM form"),
    ] {
        let export = place.export("Forum", forum()).env("AWS_CA_BUNDLE", bundle);
        says(&export.run(), 2, &["AWS_CA_BUNDLE: ", bundle, said]);
        let status = Tablehaul::new(["status", "s3://bucket/x", "--s3-endpoint", &s3().endpoint()]);
        says(&status.env("AWS_CA_BUNDLE", bundle).run(), 2, &["AWS_CA_BUNDLE: ", said]);
    }
    place.is_untouched();
}

/// The output of a command that meets an untrusted certificate; it must end soon.
#[track_caller]
fn distrusts(command: Tablehaul, parts: &[&str]) {
    let started = Instant::now();
    let finished = command.run();
    // A wait for an answer would take a minute.
    assert!(started.elapsed() < Duration::from_secs(30), "it took {:?}", started.elapsed());
    says(&finished, 2, parts);
}

#[test]
fn a_certificate_that_is_not_trusted_is_reported_with_its_reason_and_remedy() {
    let bundle = Bundle::new();
    let place = Place::new();
    for (flaw, said) in [
        (Flaw::Expired, "has expired: check the clock of this machine"),
        (Flaw::Early, "is not valid yet: check the clock of this machine"),
        (Flaw::OtherHost, "is for another host: check the endpoint"),
        (Flaw::OfAuthority, "is that of an authority, not of a server"),
    ] {
        let endpoint = bundle.forum(flaw);
        let export = place.export("Forum", &endpoint).env("AWS_CA_BUNDLE", bundle.path());
        distrusts(export, &[&format!("the certificate of {endpoint}"), said]);
    }
    let endpoint = bundle.forum(Flaw::None);
    let other = Bundle::new();
    for command in [
        place.export("Forum", &endpoint),
        place.export("Forum", &endpoint).env("AWS_CA_BUNDLE", other.path()),
        Tablehaul::new(["verify", "s3://bucket/x", "--s3-endpoint", &endpoint]),
        Tablehaul::new(["export", "Forum", "s3://bucket/x", "--dynamodb-endpoint", forum()])
            .args(["--s3-endpoint", &endpoint]),
    ] {
        distrusts(command, &[&format!("the certificate of {endpoint}"), "does not trust", "AWS_CA_BUNDLE"]);
    }
    let role = ["--assume-role", "arn:aws:iam::111122223333:role/x"];
    let command = place.export("Forum", forum()).args(role).env("AWS_ENDPOINT_URL_STS", &endpoint);
    distrusts(command, &["cannot assume role", "unknown issuer", "AWS_CA_BUNDLE"]);
    place.is_untouched();
}

#[test]
fn a_server_without_tls_is_distinguished_from_one_with_a_wrong_certificate() {
    let place = Place::new();
    let endpoint = forum().replace("http://", "https://");
    distrusts(place.export("Forum", &endpoint), &[&format!("{endpoint} does not speak TLS"), "http://"]);
    let endpoint = Bundle::new().forum(Flaw::None).replace("https://", "http://");
    distrusts(
        place.export("Forum", &endpoint),
        &[&format!("{endpoint} does not answer in HTTP"), "https://"],
    );
    place.is_untouched();
}
