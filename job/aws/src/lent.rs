//! Credentials of the coordinator on their way to its workers. They exist in memory and on the stream to a worker only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use job::control::LentKeys;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    clients::Clients,
    fault::{Fault, FaultKind},
};

/// How long a request of a worker waits for new keys when those that it has are expired. Less than the 5 s after which
/// the SDK gives up. Then the service decides whether they are.
const WAIT_FOR_KEYS: Duration = Duration::from_secs(3);
/// The shortest time between two requests for keys.
const LEAST: Duration = Duration::from_secs(1);
/// The time until keys are asked for again after that failed.
const AGAIN: Duration = Duration::from_secs(5);

/// Lends the credentials of this process, and renews them before they expire.
#[derive(Debug)]
pub struct Lending {
    keys: watch::Receiver<LentKeys>,
    _renewing: JoinSet<()>,
}

impl Lending {
    /// Asks for the first credentials.
    ///
    /// # Errors
    /// Fails with [`FaultKind::NoCredentials`].
    pub async fn start(clients: &Clients) -> Result<Self, Fault> {
        let missing =
            |why: String| Fault::new(FaultKind::NoCredentials, format!("no AWS credentials to lend: {why}"));
        let provider = clients.config.credentials_provider();
        let provider = provider.ok_or_else(|| missing("none are configured".into()))?;
        let first = provider.provide_credentials().await;
        let first = keys(&first.map_err(|error| missing(crate::fault::why(&error)))?);
        let (sender, keys) = watch::channel(first);
        let mut renewing = JoinSet::new();
        renewing.spawn(renew(provider, sender));
        Ok(Self { keys, _renewing: renewing })
    }

    /// The credentials of now.
    pub fn keys(&self) -> LentKeys {
        self.keys.borrow().clone()
    }

    /// Waits for new credentials. Safe to drop at any time.
    pub async fn renewed(&mut self) -> LentKeys {
        if self.keys.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.keys.borrow_and_update().clone()
    }
}

/// Renews credentials when a third of their time is left. Those without an end are never renewed.
async fn renew(provider: SharedCredentialsProvider, sender: watch::Sender<LentKeys>) {
    loop {
        let Some(end) = sender.borrow().expires_at else { return };
        let left = Duration::from_secs(end.saturating_sub(now()));
        tokio::time::sleep(pause(left)).await;
        match provider.provide_credentials().await {
            Ok(credentials) => {
                let new = keys(&credentials);
                sender.send_if_modified(|old| {
                    let is_new = *old != new;
                    *old = new;
                    is_new
                });
            }
            // The old ones may still be good, and the next attempt may succeed.
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// The time until credentials are renewed that are good for this long.
fn pause(left: Duration) -> Duration {
    (left * 2 / 3).max(LEAST)
}

fn now() -> u64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn keys(credentials: &Credentials) -> LentKeys {
    LentKeys {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: credentials.secret_access_key().to_owned(),
        session_token: credentials.session_token().map(str::to_owned),
        expires_at: credentials.expiry().map(seconds),
    }
}

/// Where a worker keeps what it was lent.
#[derive(Debug)]
pub struct LentCredentials(watch::Sender<Option<LentKeys>>);

impl Default for LentCredentials {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl LentCredentials {
    /// Replaces the credentials.
    pub fn put(&self, keys: LentKeys) {
        self.0.send_replace(Some(keys));
    }

    /// What clients take credentials from.
    pub fn borrowed(&self) -> Borrowed {
        Borrowed(self.0.subscribe())
    }
}

/// Credentials that were lent, always the newest.
#[derive(Clone, Debug)]
pub struct Borrowed(watch::Receiver<Option<LentKeys>>);

impl Borrowed {
    async fn newest(&self, limit: Duration) -> Result<Credentials, CredentialsError> {
        let mut given = self.0.clone();
        let is_good = |keys: &Option<LentKeys>| {
            keys.as_ref().is_some_and(|keys| keys.expires_at.is_none_or(|end| end > now()))
        };
        // The clock of this machine may be wrong, so what looks expired is used if nothing else comes.
        let _ = tokio::time::timeout(limit, given.wait_for(is_good)).await;
        let LentKeys { access_key_id, secret_access_key, session_token, expires_at } =
            self.0.borrow().clone().ok_or_else(|| {
                CredentialsError::not_loaded("the coordinator has not lent any credentials")
            })?;
        let end = expires_at.and_then(|end| UNIX_EPOCH.checked_add(Duration::from_secs(end)));
        Ok(Credentials::new(access_key_id, secret_access_key, session_token, end, "lent by the coordinator"))
    }
}

impl ProvideCredentials for Borrowed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.newest(WAIT_FOR_KEYS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(id: &str, expires_at: Option<u64>) -> LentKeys {
        LentKeys {
            access_key_id: id.into(),
            secret_access_key: "s3cr3t".into(),
            session_token: None,
            expires_at,
        }
    }

    async fn id(borrowed: &Borrowed, limit: Duration) -> Option<String> {
        borrowed.newest(limit).await.map(|found| found.access_key_id().to_owned()).ok()
    }

    #[tokio::test]
    async fn the_newest_credentials_are_used_and_expired_ones_only_if_no_others_come() {
        let credentials = LentCredentials::default();
        let borrowed = credentials.borrowed();
        assert_eq!(id(&borrowed, Duration::ZERO).await, None);
        credentials.put(lent("old", Some(1)));
        assert_eq!(id(&borrowed, Duration::ZERO).await.as_deref(), Some("old"));
        let waiting = id(&borrowed, Duration::from_mins(1));
        let bringing = async { credentials.put(lent("new", Some(now() + 60))) };
        assert_eq!(tokio::join!(waiting, bringing).0.as_deref(), Some("new"));
        credentials.put(lent("for ever", None));
        assert_eq!(id(&borrowed, Duration::from_mins(1)).await.as_deref(), Some("for ever"));
    }

    #[test]
    fn credentials_are_renewed_when_a_third_of_their_time_is_left() {
        let seconds = Duration::from_secs;
        assert_eq!(pause(seconds(3600)), seconds(2400));
        assert_eq!(pause(seconds(3)), seconds(2));
        assert_eq!(pause(seconds(0)), LEAST);
    }

    #[test]
    fn what_is_secret_is_never_printed() {
        let credentials = LentCredentials::default();
        credentials.put(lent("AKID", Some(7)));
        let printed = format!("{credentials:?} {:?} {:?}", credentials.borrowed(), lent("AKID", None));
        assert!(!printed.contains("s3cr3t") && !printed.contains("AKID"), "{printed}");
    }
}
