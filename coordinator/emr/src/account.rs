//! What the account can be asked before anything is launched: are the roles and subnets there, may the launcher do what
//! a launch needs, and what does an instance cost? Each question needs a permission of its own. If it is missing, the
//! plan says what was not checked: EMR itself refuses a minute later, and says less.

mod price;
mod rights;
pub mod stack;
mod xml;

pub use price::PriceError;

use std::fmt::Display;

use job_aws::{Clients, NoAnswer, Question, Service};
use roxmltree::Document;

const IAM: Service = Service {
    id: "IAM",
    name: "iam",
    version: "2010-05-08",
    only_in: Some(("us-east-1", "iam.amazonaws.com")),
};
const EC2: Service = Service { id: "EC2", name: "ec2", version: "2016-11-15", only_in: None };

/// Questions to an account.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    clients: &'a Clients,
}

/// The result of some checks, as lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What is wrong.
    pub wrong: Vec<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

impl Found {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.wrong.extend(other.wrong);
        self.unchecked.extend(other.unchecked);
        self
    }

    /// Something that could not be checked, and why.
    pub fn unchecked(what: &str, why: impl Display) -> Self {
        Self { wrong: Vec::new(), unchecked: vec![format!("{what} ({why})")] }
    }

    /// One thing that is wrong.
    pub fn wrong(line: String) -> Self {
        Self::all_wrong([line])
    }

    /// Everything that is wrong. Nothing is if there is no line.
    pub fn all_wrong(lines: impl IntoIterator<Item = String>) -> Self {
        Self { wrong: lines.into_iter().collect(), unchecked: Vec::new() }
    }
}

fn short(why: &NoAnswer) -> String {
    if why.is_denied() { format!("no permission for {}", why.action()) } else { why.to_string() }
}

impl<'a> Account<'a> {
    /// The account of these clients' credentials.
    pub fn new(clients: &'a Clients) -> Self {
        Self { clients }
    }

    async fn form(
        &self,
        service: &Service,
        action: &str,
        parameters: &[(&str, String)],
    ) -> Result<String, NoAnswer> {
        let parameters: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        service.ask(self.clients, action, Question::Form(&parameters)).await
    }

    /// Whether the roles are there, and EMR and EC2 can use them.
    pub async fn roles(&self, service_role: &str, node_role: &str) -> Found {
        let (service, node) = (name_of(service_role), name_of(node_role));
        let role = [("RoleName", service.to_owned())];
        let profile = [("InstanceProfileName", node.to_owned())];
        let (role, profile) =
            tokio::join!(self.form(&IAM, "GetRole", &role), self.form(&IAM, "GetInstanceProfile", &profile));
        let role = match role {
            Ok(text) => trusts_emr(&text).map_or_else(Found::default, |is_trusted| {
                if is_trusted {
                    return Found::default();
                }
                Found::wrong(format!(
                    "--service-role {service}: EMR may not assume it: let elasticmapreduce.amazonaws.com do so in its \
                     trust policy"
                ))
            }),
            Err(why) if why.code() == Some("NoSuchEntity") => Found::wrong(format!(
                "--service-role {service}: there is no such role: `tablehaul emr setup` makes the roles"
            )),
            Err(why) => Found::unchecked("the service role", short(&why)),
        };
        let profile = match profile {
            Ok(text) if xml::first(&text, "RoleName").is_none() => Found::wrong(format!(
                "--node-role {node}: the instance profile has no role: add the role of the same name"
            )),
            Ok(_) => Found::default(),
            Err(why) if why.code() == Some("NoSuchEntity") => Found::wrong(format!(
                "--node-role {node}: there is no instance profile of this name: `tablehaul emr setup` makes the roles"
            )),
            Err(why) => Found::unchecked("the node role", short(&why)),
        };
        role.and(profile)
    }

    /// Whether the subnets are there, in one VPC.
    pub async fn subnets(&self, ids: &[String]) -> Found {
        if ids.is_empty() {
            return Found::default();
        }
        let names: Vec<String> = (1..=ids.len()).map(|number| format!("SubnetId.{number}")).collect();
        let parameters: Vec<(&str, String)> =
            names.iter().map(String::as_str).zip(ids.iter().cloned()).collect();
        let text = match self.form(&EC2, "DescribeSubnets", &parameters).await {
            Ok(text) => text,
            Err(why) if why.code().is_some_and(|code| code.starts_with("InvalidSubnetI")) => {
                return Found::wrong(format!(
                    "--subnet {}: {} has no such subnet ({})",
                    ids.join(","),
                    self.clients.region,
                    why.message()
                ));
            }
            Err(why) => return Found::unchecked("the subnets", short(&why)),
        };
        let mut networks = xml::all(&text, "vpcId");
        networks.sort();
        networks.dedup();
        match networks.len() {
            0 | 1 => Found::default(),
            _ => Found::wrong(format!(
                "--subnet {}: they are in the VPCs {}: name subnets of one VPC",
                ids.join(","),
                networks.join(" and ")
            )),
        }
    }
}

/// The name in the ARN of a role, or the name itself.
fn name_of(role: &str) -> &str {
    role.rsplit('/').next().unwrap_or(role)
}

/// Whether EMR may assume a role, by the answer of `GetRole`. `None` if it does not say.
fn trusts_emr(text: &str) -> Option<bool> {
    let policy = xml::first(text, "AssumeRolePolicyDocument")?;
    let policy = policy.replace("%2E", ".").replace("%2e", ".").replace("%22", "\"").replace("%2A", "*");
    Some(policy.contains("elasticmapreduce.amazonaws.com") || policy.contains("\"*\""))
}

fn document(text: &str) -> Option<Document<'_>> {
    Document::parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trust_of_a_role_is_read_as_iam_encodes_it() {
        let role = |policy: &str| {
            format!("<R><Role><AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role></R>")
        };
        let emr = "%7B%22Service%22%3A%22elasticmapreduce.amazonaws.com%22%7D";
        assert_eq!(trusts_emr(&role(emr)), Some(true));
        assert_eq!(trusts_emr(&role("{\"Service\": \"elasticmapreduce.amazonaws.com\"}")), Some(true));
        assert_eq!(trusts_emr(&role("%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D")), Some(false));
        assert_eq!(trusts_emr("<R/>"), None);
        assert_eq!(name_of("arn:aws:iam::123456789012:role/a/b"), "b");
        assert_eq!(name_of("b"), "b");
    }
}
