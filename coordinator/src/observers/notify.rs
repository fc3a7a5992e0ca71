//! Notifications: that a command has ended, well or not, and that it takes longer than it should. What can't be
//! delivered is reported on standard error.

mod receiver;
mod text;

use std::time::Duration;

use job::{spec::AwsAccess, visible};
use job_aws::{Clients, NoAnswer, Question, Retries, Service, connect_to_s3, post};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::output::display::complain;
pub(crate) use receiver::{Receiver, ReceiverError};
pub(super) use text::Notification;

/// How often a notification is sent until it is taken, and the pauses between. Together with the limit of a try less
/// than ten seconds, if the receiver is silent.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];
/// How long a try may take.
const TRY_LIMIT: Duration = Duration::from_millis(2800);

/// Amazon SNS.
const SNS: Service = Service { id: "SNS", name: "sns", version: "2010-03-31", only_in: None };

/// Why a try has failed.
struct Failed {
    why: String,
    /// Whether another try may succeed.
    may_pass: bool,
}

/// Sends what comes out of the queue to all receivers, until the command is over and the notification of its end is
/// sent.
pub(super) async fn send(
    receivers: &[Receiver],
    access: &AwsAccess,
    mut queue: mpsc::Receiver<Notification>,
    mut over: watch::Receiver<bool>,
) {
    let mut sending = JoinSet::new();
    loop {
        // The end of the command is queued before it is over.
        let next = tokio::select! {
            biased;
            next = queue.recv() => next,
            _ = over.wait_for(|over| *over) => None,
        };
        let Some(notification) = next else { break };
        for receiver in receivers {
            let (receiver, notification, access) = (receiver.clone(), notification.clone(), access.clone());
            sending.spawn(async move { deliver(&receiver, &notification, &access).await });
        }
    }
    while sending.join_next().await.is_some() {}
}

async fn deliver(receiver: &Receiver, notification: &Notification, access: &AwsAccess) {
    // The receiver of several tries can tell that they are one.
    let id = uuid::Uuid::new_v4().to_string();
    let mut pauses = PAUSES.into_iter();
    loop {
        let sent = timeout(TRY_LIMIT, try_once(receiver, notification, access, &id)).await;
        let failed = match sent {
            Ok(Ok(())) => return,
            Ok(Err(failed)) => failed,
            Err(_) => Failed { why: "no answer".to_owned(), may_pass: true },
        };
        let Some(pause) = pauses.next().filter(|_| failed.may_pass) else {
            let why = visible::line(&failed.why).into_owned();
            return complain(&format!("warning: --notify {receiver}: not notified: {why}"));
        };
        sleep(hooks::interval("pause", pause)).await;
    }
}

async fn try_once(
    receiver: &Receiver,
    notification: &Notification,
    access: &AwsAccess,
    id: &str,
) -> Result<(), Failed> {
    match receiver {
        Receiver::Web(address) => {
            let mut headers = vec![
                ("content-type", "application/json".to_owned()),
                ("user-agent", crate::output::TOOL.replace(' ', "/")),
                ("idempotency-key", id.to_owned()),
            ];
            headers.extend(address.authorization().map(|value| ("authorization", value)));
            let sent = post(address.url(), &headers, notification.json(), access.profile.as_deref()).await;
            match sent.map_err(|error| Failed { why: error.to_string(), may_pass: true })? {
                200..300 => Ok(()),
                300..400 => Err(Failed {
                    why: "it redirects elsewhere, which is not followed: give the address that answers"
                        .to_owned(),
                    may_pass: false,
                }),
                status => {
                    let may_pass = status >= 500 || status == 429 || status == 408;
                    Err(Failed { why: format!("it answers with HTTP status {status}"), may_pass })
                }
            }
        }
        Receiver::Topic { arn, region } => {
            let clients = clients(access, region).await?;
            let mut parameters = vec![
                ("TopicArn".to_owned(), arn.clone()),
                ("Subject".to_owned(), notification.subject_for_sns()),
                ("Message".to_owned(), notification.message_for_sns()),
            ];
            // A FIFO topic has this suffix in every letter (API reference of `CreateTopic`).
            if arn.strip_suffix(".fifo").is_some() {
                parameters.push(("MessageGroupId".to_owned(), "tablehaul".to_owned()));
                parameters.push(("MessageDeduplicationId".to_owned(), id.to_owned()));
            }
            let asked = SNS.ask(&clients, "Publish", Question::Form(&parameters)).await;
            asked.map(drop).map_err(|none| Failed { may_pass: may_pass(&none), why: none.to_string() })
        }
    }
}

/// Whether SNS may answer otherwise soon.
fn may_pass(none: &NoAnswer) -> bool {
    none.code().is_none_or(|code| {
        ["Throttl", "InternalError", "InternalFailure", "ServiceUnavailable"]
            .iter()
            .any(|word| code.contains(word))
    })
}

async fn clients(access: &AwsAccess, region: &str) -> Result<Clients, Failed> {
    let region = Some(region.to_owned());
    let access = AwsAccess { s3_region: region.clone(), region, ..access.clone() };
    let connected = connect_to_s3(&access, Retries::Sdk).await;
    connected.map_err(|fault| Failed { why: fault.message, may_pass: false })
}
