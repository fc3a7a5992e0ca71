//! Where environment and profile say that a service is.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// The endpoint of a service by `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` or the profile, as the SDK looks for
/// it; nothing if the service is where AWS has it. `service` is the id of its API model, such as `DynamoDB`.
pub fn endpoint_of(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let of_service = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// Whether an endpoint is one of AWS: its public ones, those of a VPC, and those with IPv6 (AWS General Reference,
/// "AWS service endpoints").
pub fn is_of_aws(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default().to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu"].iter().any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::is_of_aws;

    #[test]
    fn endpoints_of_aws_are_told_from_others() {
        for endpoint in [
            "https://dynamodb.us-east-1.amazonaws.com",
            "dynamodb.eu-west-1.amazonaws.com:443",
            "https://vpce-1-2.dynamodb.us-east-1.vpce.amazonaws.com/",
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
            "https://dynamodb.us-east-1.api.aws",
        ] {
            assert!(is_of_aws(endpoint), "{endpoint}");
        }
        for endpoint in [
            "http://127.0.0.1:8000",
            "https://amazonaws.com.example.org",
            "http://localhost",
            "https://x/.amazonaws.com",
        ] {
            assert!(!is_of_aws(endpoint), "{endpoint}");
        }
    }
}
