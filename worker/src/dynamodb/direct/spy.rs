//! Sees what the SDK sends a request with.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::HttpConnectorSettings,
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, timeout::TimeoutConfig};

use super::sign;

/// A request of the SDK, signed and ready to be sent.
pub(super) struct Seen {
    pub(super) components: RuntimeComponents,
    /// The timeouts of its connection.
    pub(super) settings: HttpConnectorSettings,
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload_hash: String,
    /// The time of this machine when it was signed, or very soon after.
    pub(super) local_time: SystemTime,
}

/// An interceptor for one request.
#[derive(Clone, Default)]
pub(crate) struct Spy(Arc<Mutex<Option<Seen>>>);

impl Spy {
    /// What it saw, if that was complete.
    pub(super) fn take(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Spy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spy")
    }
}

#[dyn_dispatch_hint]
impl Intercept for Spy {
    fn name(&self) -> &'static str {
        "Spy"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let (Some(body), Some(clock)) = (request.body().bytes(), components.time_source()) else {
            return Ok(());
        };
        let mut settings = HttpConnectorSettings::builder();
        if let Some(timeouts) = config.load::<TimeoutConfig>() {
            // As the SDK's orchestrator does it: the same settings give the same pool of connections.
            settings.set_connect_timeout(timeouts.connect_timeout());
            settings.set_read_timeout(timeouts.read_timeout());
        }
        let headers = request.headers().iter();
        let seen = Seen {
            components: components.clone(),
            settings: settings.build(),
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            payload_hash: sign::hash(body),
            local_time: clock.now(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        Ok(())
    }
}
