//! AWS Signature Version 4 of requests without a query (AWS Identity and Access Management User Guide, "Create a signed
//! AWS API request").

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac::{self, HMAC_SHA256},
};

/// The name of the algorithm, which begins the header `authorization`.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A signing key. It is valid for one day, region and service.
pub(super) struct Key {
    /// `day/region/service/aws4_request`.
    scope: String,
    key: hmac::Key,
}

impl Key {
    /// Derives the key from a secret access key. `day` is `YYYYMMDD`, of UTC.
    pub(super) fn new(secret: &str, day: &str, region: &str, service: &str) -> Self {
        let mut tag = hmac(format!("AWS4{secret}").as_bytes(), day);
        for part in [region, service, "aws4_request"] {
            tag = hmac(tag.as_ref(), part);
        }
        let scope = format!("{day}/{region}/{service}/aws4_request");
        Self { scope, key: hmac::Key::new(HMAC_SHA256, tag.as_ref()) }
    }

    /// The scope, as in the header `authorization`.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// The signature of a [canonical request](canonical). `date` is `YYYYMMDDThhmmssZ`.
    pub(super) fn signature(&self, date: &str, canonical: &str) -> String {
        let hash = hash(canonical.as_bytes());
        let to_sign = [ALGORITHM, date, &self.scope, &hash].join("\n");
        hex(hmac::sign(&self.key, to_sign.as_bytes()).as_ref())
    }
}

fn hmac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), text.as_bytes())
}

/// The canonical request. `headers` are those to sign, in the order of their lower-case names; `signed` are these names
/// with semicolons between them.
pub(super) fn canonical<'a>(
    method: &str,
    path: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    signed: &str,
    payload_hash: &str,
) -> String {
    let mut text = String::with_capacity(1024);
    for part in [method, "\n", path, "\n\n"] {
        text.push_str(part);
    }
    for (name, value) in headers {
        for part in [name, ":", value, "\n"] {
            text.push_str(part);
        }
    }
    for part in ["\n", signed, "\n", payload_hash] {
        text.push_str(part);
    }
    text
}

/// The SHA-256 in hexadecimal digits.
pub(super) fn hash(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret access key of AWS's examples and test suite.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const DATE: &str = "20150830T123600Z";

    #[test]
    fn the_key_is_that_of_the_documented_example() {
        let mut tag = hmac(format!("AWS4{SECRET}").as_bytes(), "20150830");
        for part in ["us-east-1", "iam", "aws4_request"] {
            tag = hmac(tag.as_ref(), part);
        }
        let documented = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";
        assert_eq!(hex(tag.as_ref()), documented);
        let key = Key::new(SECRET, "20150830", "us-east-1", "iam");
        assert_eq!(key.scope(), "20150830/us-east-1/iam/aws4_request");
        assert_eq!(hex(hmac::sign(&key.key, b"").as_ref()), hex(hmac(tag.as_ref(), "").as_ref()));
    }

    /// Cases of the AWS Signature Version 4 test suite: name, method, headers beside host and date, body, signature.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        type Case =
            (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);
        let cases: [Case; 6] = [
            (
                "get-vanilla",
                "GET",
                &[],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                "POST",
                &[],
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-header-key-sort",
                "POST",
                &[("my-header1", "value1")],
                "",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "get-header-value-trim",
                "GET",
                &[("my-header1", "value1"), ("my-header2", "\"a b c\"")],
                "",
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
            (
                "get-vanilla-with-session-token",
                "GET",
                &[(
                    "x-amz-security-token",
                    "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
                )],
                "",
                "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                &[
                    ("content-length", "13"),
                    ("content-type", "application/x-www-form-urlencoded"),
                    (
                        "x-amz-content-sha256",
                        "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
                    ),
                ],
                "Param1=value1",
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
        ];
        let key = Key::new(SECRET, "20150830", "us-east-1", "service");
        for (name, method, more, body, expected) in cases {
            let mut headers = [&[("host", "example.amazonaws.com"), ("x-amz-date", DATE)], more].concat();
            headers.sort_unstable();
            let signed = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
            let text = canonical(method, "/", headers.into_iter(), &signed, &hash(body.as_bytes()));
            assert_eq!(key.signature(DATE, &text), expected, "{name}");
        }
    }
}
