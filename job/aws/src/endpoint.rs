//! The endpoints of services in the environment and the profile.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// The endpoint of a service from `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` or the profile, in the order of the
/// SDK. `None` if the service is at its AWS address. `service` is the id of its API model, such as `DynamoDB`.
pub fn endpoint_of(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
    let of_service = key.build().ok().and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(|| config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
}
