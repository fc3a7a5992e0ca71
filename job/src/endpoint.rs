//! What the endpoint of an AWS service says about its region and account.

/// The domains of AWS's own endpoints in all partitions (AWS General Reference, "AWS service endpoints").
const AWS_DOMAINS: [&str; 5] =
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn", ".amazonaws.eu"];

/// Whether a URL is an AWS endpoint, public or of a VPC.
pub fn is_aws(url: &str) -> bool {
    labels(url).is_some()
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
