//! Creates or changes a stack of `CloudFormation`, and waits for it.

use std::time::Duration;

use job_aws::{Clients, NoAnswer, Question, Service};

use super::xml;
use crate::words;

const CLOUDFORMATION: Service =
    Service { id: "CloudFormation", name: "cloudformation", version: "2010-05-15", only_in: None };
/// How often the state of a stack is looked at.
const EVERY: Duration = Duration::from_secs(3);
/// The longest template that a call takes. Source: `CreateStack`, `TemplateBody`.
const LONGEST: usize = 51_200;

/// A stack that is to be there.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its template.
    pub template: &'a str,
    /// The parameters of the template.
    pub parameters: &'a [(&'a str, String)],
}

/// What became of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    Created,
    /// It was there and has changed.
    Changed,
    /// It was up to date.
    AsItWas,
}

/// Why a stack could not be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// The template is too long for a call.
    #[error(
        "the template has {0} bytes, but CloudFormation takes {LONGEST} in a call: use the command that is printed"
    )]
    TooLong(usize),
    /// A call was refused or lost.
    #[error(transparent)]
    Call(#[from] NoAnswer),
    /// It was begun and failed. Holds the state and the first reason.
    #[error("the stack {name} is {state}: {why}")]
    Failed {
        /// Its name.
        name: String,
        /// `CloudFormation`'s state.
        state: String,
        /// The first reason of its resources.
        why: String,
    },
}

impl Stack<'_> {
    /// Makes it so, and waits until it is. Run it again after a lost answer: the second call finds what the first has
    /// done.
    ///
    /// # Errors
    /// See [`StackError`].
    pub async fn make(&self, clients: &Clients) -> Result<Made, StackError> {
        if self.template.len() > LONGEST {
            return Err(StackError::TooLong(self.template.len()));
        }
        let made = match self.call(clients, "CreateStack", &self.wanted()).await {
            Ok(_) => Made::Created,
            Err(why) if why.code() == Some("AlreadyExistsException") => {
                match self.call(clients, "UpdateStack", &self.wanted()).await {
                    Ok(_) => Made::Changed,
                    Err(why) if words::is_up_to_date(why.message()) => Made::AsItWas,
                    Err(why) => return Err(why.into()),
                }
            }
            Err(why) => return Err(why.into()),
        };
        loop {
            let described = self.call(clients, "DescribeStacks", &[]).await?;
            let state = xml::first(&described, "StackStatus").unwrap_or_default();
            match state.as_str() {
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
                    return Ok(made);
                }
                state if state.ends_with("_IN_PROGRESS") && !state.contains("ROLLBACK") => {
                    tokio::time::sleep(EVERY).await;
                }
                _ => {
                    let why = self.why(clients).await;
                    return Err(StackError::Failed { name: self.name.to_owned(), state: state.clone(), why });
                }
            }
        }
    }

    fn wanted(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("TemplateBody".to_owned(), self.template.to_owned()),
            ("Capabilities.member.1".to_owned(), "CAPABILITY_NAMED_IAM".to_owned()),
        ];
        for (number, (name, value)) in (1..).zip(self.parameters) {
            all.push((format!("Parameters.member.{number}.ParameterKey"), (*name).to_owned()));
            all.push((format!("Parameters.member.{number}.ParameterValue"), value.clone()));
        }
        all
    }

    async fn call(
        &self,
        clients: &Clients,
        action: &str,
        parameters: &[(String, String)],
    ) -> Result<String, NoAnswer> {
        let mut all = vec![("StackName".to_owned(), self.name.to_owned())];
        all.extend_from_slice(parameters);
        CLOUDFORMATION.ask(clients, action, Question::Form(&all)).await
    }

    /// The oldest failure among the newest events.
    async fn why(&self, clients: &Clients) -> String {
        let Ok(events) = self.call(clients, "DescribeStackEvents", &[]).await else {
            return "CloudFormation does not say why".to_owned();
        };
        let reasons = xml::all(&events, "ResourceStatusReason");
        // Others are cancelled because of the first.
        let first = reasons.into_iter().rfind(|reason| !words::is_consequence(reason));
        first.unwrap_or_else(|| "CloudFormation does not say why".to_owned())
    }
}
