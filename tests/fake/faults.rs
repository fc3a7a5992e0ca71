//! Injected faults. `Faults` are settings; `FaultSource` draws from them with a seed.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::str::FromStr;
use std::time::Duration;
use tests_support::Rng;

/// Settings, as on the command line and at the admin endpoint; see `--help` for what each does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    pub(crate) latency_ms: f64,
    pub(crate) jitter_ms: f64,
    pub(crate) error_rate: f64,
    pub(crate) throttle_rate: f64,
    pub(crate) drop_before_rate: f64,
    pub(crate) drop_after_rate: f64,
    pub(crate) torn_rate: f64,
    pub(crate) truncated_rate: f64,
    pub(crate) bad_crc_rate: f64,
    pub(crate) unprocessed_rate: f64,
    pub(crate) action: String,
    pub(crate) at_most: Option<u64>,
    pub(crate) throttle_type: String,
    pub(crate) denied: Option<String>,
    pub(crate) unrecognized_client: bool,
    pub(crate) keys_expire: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_ms: 0.0,
            jitter_ms: 0.0,
            error_rate: 0.0,
            throttle_rate: 0.0,
            drop_before_rate: 0.0,
            drop_after_rate: 0.0,
            torn_rate: 0.0,
            truncated_rate: 0.0,
            bad_crc_rate: 0.0,
            unprocessed_rate: 0.0,
            action: "Scan".to_owned(),
            at_most: None,
            throttle_type: "ProvisionedThroughputExceededException".to_owned(),
            denied: None,
            unrecognized_client: false,
            keys_expire: false,
        }
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

impl Faults {
    /// These settings with the fields of `change`.
    pub(crate) fn changed(&self, change: &[u8]) -> Result<Self, String> {
        let change: Value = serde_json::from_slice(change).map_err(|error| error.to_string())?;
        let mut settings = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let fields = change.as_object().ok_or("expected a JSON object")?;
        for (name, value) in fields {
            settings[name] = value.clone();
        }
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    /// Whether the access key of an `Authorization` header is of the form `UNTIL<seconds since 1970>` and it is
    /// later than that.
    pub(crate) fn is_expired(&self, authorization: &str, now: Duration) -> bool {
        let key = authorization.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        let until = key.and_then(|key| key.strip_prefix("UNTIL")?.parse().ok());
        self.keys_expire && until.is_some_and(|until| now.as_secs() >= until)
    }

    fn rates(&self) -> [(Fault, f64); 7] {
        [
            (Fault::Error, self.error_rate),
            (Fault::Throttle, self.throttle_rate),
            (Fault::DropBefore, self.drop_before_rate),
            (Fault::DropAfter, self.drop_after_rate),
            (Fault::Torn, self.torn_rate),
            (Fault::Truncated, self.truncated_rate),
            (Fault::BadCrc, self.bad_crc_rate),
        ]
    }
}

/// One fault of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Error,
    Throttle,
    DropBefore,
    DropAfter,
    Torn,
    Truncated,
    BadCrc,
}

impl Fault {
    /// The setting that causes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error_rate",
            Self::Throttle => "throttle_rate",
            Self::DropBefore => "drop_before_rate",
            Self::DropAfter => "drop_after_rate",
            Self::Torn => "torn_rate",
            Self::Truncated => "truncated_rate",
            Self::BadCrc => "bad_crc_rate",
        }
    }
}

/// What happens to one request.
#[derive(Debug)]
pub(crate) struct Draw {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

/// Settings, and the random numbers for them.
#[derive(Debug)]
pub(crate) struct FaultSource {
    pub(crate) settings: Faults,
    rng: Rng,
}

impl FaultSource {
    pub(crate) fn new(settings: Faults, seed: u64) -> Self {
        Self { settings, rng: Rng::new(seed) }
    }

    pub(crate) fn draw(&mut self, action: &str) -> Draw {
        let (for_delay, mut drawn) = (self.rng.share(), self.rng.share());
        let settings = &self.settings;
        let millis = settings.latency_ms + settings.jitter_ms * for_delay;
        let delay = Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or_default();
        let mut fault = None;
        if self.concerns(action) {
            for (candidate, rate) in settings.rates() {
                if drawn < rate {
                    fault = Some(candidate);
                    break;
                }
                drawn -= rate;
            }
        }
        if let (Some(left), Some(_)) = (&mut self.settings.at_most, fault) {
            *left -= 1;
        }
        Draw { delay, fault }
    }

    /// Whether each item of a batch comes back unprocessed. Each that does counts as a fault. Empty when
    /// there is nothing to draw.
    pub(crate) fn draw_items(&mut self, action: &str, num_items: usize) -> Vec<bool> {
        if self.settings.unprocessed_rate <= 0.0 || !self.concerns(action) {
            return Vec::new();
        }
        let mut spared = Vec::with_capacity(num_items);
        for _ in 0..num_items {
            let is_spared = self.rng.share() < self.settings.unprocessed_rate && self.concerns(action);
            if let (Some(left), true) = (&mut self.settings.at_most, is_spared) {
                *left -= 1;
            }
            spared.push(is_spared);
        }
        spared
    }

    fn concerns(&self, action: &str) -> bool {
        let Faults { action: concerned, at_most, .. } = &self.settings;
        (concerned == "*" || concerned == action) && *at_most != Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_asked_and_stop_when_asked() {
        let settings = Faults { error_rate: 0.1, torn_rate: 0.2, ..Faults::default() };
        let mut source = FaultSource::new(settings, 7);
        let drawn: Vec<_> = (0..10_000).map(|_| source.draw("Scan").fault).collect();
        let count = |fault| drawn.iter().filter(|drawn| **drawn == fault).count();
        assert!((900..1_100).contains(&count(Some(Fault::Error))));
        assert!((1_850..2_150).contains(&count(Some(Fault::Torn))));
        assert!(source.draw("DescribeTable").fault.is_none());
        source.settings =
            source.settings.changed(br#"{"error_rate": 1, "at_most": 2}"#).expect("a good change");
        assert_eq!((0..10).filter(|_| source.draw("Scan").fault.is_some()).count(), 2);
        assert!(source.settings.changed(br#"{"eror_rate": 1}"#).is_err());
    }

    #[test]
    fn items_come_back_as_often_as_asked_and_only_those_of_the_action() {
        let action = "BatchWriteItem".to_owned();
        let settings = Faults { unprocessed_rate: 0.3, action, ..Faults::default() };
        let mut source = FaultSource::new(settings, 7);
        let spared = source.draw_items("BatchWriteItem", 10_000);
        let num_spared = spared.iter().filter(|&&is_spared| is_spared).count();
        assert!(spared.len() == 10_000 && (2_850..3_150).contains(&num_spared), "{num_spared}");
        assert!(source.draw_items("PutItem", 10).is_empty());
        source.settings.at_most = Some(2);
        let spared = source.draw_items("BatchWriteItem", 10_000);
        assert_eq!(spared.iter().filter(|&&is_spared| is_spared).count(), 2);
        assert!(source.draw_items("BatchWriteItem", 1).is_empty());
    }
}
