//! What the endpoint of an AWS service says about its region and account, and whether it is one at all.

use std::net::Ipv6Addr;

/// The domains of AWS's own endpoints in all partitions (AWS General Reference, "AWS service endpoints").
const AWS_DOMAINS: [&str; 5] =
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn", ".amazonaws.eu"];

/// Whether a URL is an AWS endpoint, public or of a VPC.
pub fn is_aws(url: &str) -> bool {
    labels(url).is_some()
}

/// Whether a URL is the address of a server: `http://` or `https://`, a host, perhaps a port and a path. The host is a
/// name of letters, digits, `-`, `_` and `.`, or an address of IPv4, or one of IPv6 in brackets.
pub fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic())) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (is_host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (!host.is_empty() && host.bytes().all(fits), port)
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    is_host && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// The region in the URL of a DynamoDB endpoint of AWS, such as `https://dynamodb.eu-west-1.amazonaws.com` or
/// `https://vpce-1a2b-3c4d.dynamodb.eu-west-1.vpce.amazonaws.com`. `None` if it has none or is not an AWS endpoint.
pub fn dynamodb_region(url: &str) -> Option<&str> {
    let labels = labels(url)?;
    let is_service = |label: &str| matches!(label, "dynamodb" | "dynamodb-fips" | "ddb");
    let at = labels.split('.').position(is_service)?;
    labels.split('.').nth(at + 1).filter(|region| region.contains('-'))
}

/// The labels before the AWS domain in the host of a URL.
fn labels(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    AWS_DOMAINS.iter().find_map(|domain| host.strip_suffix(domain)).filter(|labels| !labels.is_empty())
}

/// The region and account in the ARN of a table, such as `arn:aws:dynamodb:us-east-1:123456789012:table/Forum`. `None`
/// if `table` is a name.
pub fn place_of_table(table: &str) -> Option<(&str, &str)> {
    let mut fields = table.strip_prefix("arn:")?.split(':');
    let (_partition, service) = (fields.next()?, fields.next()?);
    let (region, account) = (fields.next()?, fields.next()?);
    (service == "dynamodb").then_some((region, account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_endpoints_name_their_region() {
        for (url, region) in [
            ("https://dynamodb.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("dynamodb.eu-west-1.amazonaws.com", Some("eu-west-1")),
            ("https://dynamodb-fips.us-gov-west-1.amazonaws.com/", Some("us-gov-west-1")),
            ("https://dynamodb.cn-north-1.amazonaws.com.cn:443", Some("cn-north-1")),
            ("https://dynamodb.us-east-2.api.aws", Some("us-east-2")),
            ("https://123456789012.ddb.us-east-1.amazonaws.com", Some("us-east-1")),
            ("https://vpce-1a-2b.dynamodb.ap-south-1.vpce.amazonaws.com", Some("ap-south-1")),
            ("https://dynamodb.amazonaws.com", None),
        ] {
            assert!(is_aws(url), "{url}");
            assert_eq!(dynamodb_region(url), region, "{url}");
        }
    }

    #[test]
    fn an_address_has_a_host_and_perhaps_a_port_and_a_path() {
        for url in [
            "http://127.0.0.1:8000",
            "https://dynamodb.eu-west-1.amazonaws.com",
            "http://my_host/a/b?c",
            "http://localhost:65535/",
            "https://[::1]:9000",
            "http://[fe80::1]",
        ] {
            assert!(is_address(url), "{url}");
        }
        for url in [
            "",
            "localhost:8000",
            "ftp://x",
            "http://",
            "http:///x",
            "http://:80",
            "http://a b",
            "http://a:99999",
            "http://a:0",
            "http://a:",
            "http://a:+1",
            "http://a:b",
            "http://a:1:2",
            "http://[::1",
            "http://[x]:1",
            "http://[::1]80",
            "http://a\n",
            "http://ü",
            "http://a%20b",
            "HTTP://a",
        ] {
            assert!(!is_address(url), "{url}");
        }
    }

    #[test]
    fn other_servers_have_no_region() {
        for url in [
            "http://127.0.0.1:8000",
            "http://localhost",
            "http://dynamodb.eu-west-1.example.com",
            "https://amazonaws.com.example.org",
            "https://x/.amazonaws.com",
            "",
        ] {
            assert!(!is_aws(url), "{url}");
            assert_eq!(dynamodb_region(url), None, "{url}");
        }
    }

    #[test]
    fn an_arn_tells_region_and_account_and_a_name_does_not() {
        let arn = "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/Forum";
        assert_eq!(place_of_table(arn), Some(("cn-north-1", "123456789012")));
        for name in ["Forum", "arn", "arn.aws", "arn:aws:s3:::bucket"] {
            assert_eq!(place_of_table(name), None, "{name}");
        }
    }
}
