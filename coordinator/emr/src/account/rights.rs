//! Whether the launcher may do what a launch needs, as IAM's policy simulator says.

use job_aws::Service;

use super::{Account, Found, IAM, document, short, xml};
use crate::request::OWN_TAG;

const STS: Service = Service { id: "STS", name: "sts", version: "2011-06-15", only_in: None };

/// What a launcher calls on its own clusters.
const ON_CLUSTERS: [&str; 4] = ["DescribeCluster", "ListSteps", "CancelSteps", "TerminateJobFlows"];

impl Account<'_> {
    /// Whether the launcher may launch, watch and end clusters and pass the roles to them.
    pub async fn rights(&self, service_role: &str, node_role: &str) -> Found {
        const WHAT: &str = "your own permissions";
        let caller = match self.form(&STS, "GetCallerIdentity", &[]).await {
            Ok(text) => text,
            Err(why) => return Found::unchecked(WHAT, short(&why)),
        };
        let (Some(arn), Some(account)) = (xml::first(&caller, "Arn"), xml::first(&caller, "Account")) else {
            return Found::default();
        };
        // The account itself may do everything.
        let Some(principal) = principal(&arn) else { return Found::default() };
        let partition = arn.split(':').nth(1).unwrap_or("aws").to_owned();
        let role = |name: &str| {
            if name.starts_with("arn:") {
                name.to_owned()
            } else {
                format!("arn:{partition}:iam::{account}:role/{name}")
            }
        };
        let (tag, value) = OWN_TAG;
        let request =
            [(format!("aws:RequestTag/{tag}"), value), (format!("elasticmapreduce:RequestTag/{tag}"), value)];
        let resource = [
            (format!("aws:ResourceTag/{tag}"), value),
            (format!("elasticmapreduce:ResourceTag/{tag}"), value),
        ];
        let passed = |service| [("iam:PassedToService".to_owned(), service)];
        let cluster =
            format!("arn:{partition}:elasticmapreduce:{}:{account}:cluster/j-0", self.clients.region);
        let emr =
            |names: &[&str]| names.iter().map(|name| format!("elasticmapreduce:{name}")).collect::<Vec<_>>();
        let pass = ["iam:PassRole".to_owned()];
        let (to_emr, to_ec2) = (passed("elasticmapreduce.amazonaws.com"), passed("ec2.amazonaws.com"));
        let (run, list, own) = (emr(&["RunJobFlow"]), emr(&["ListClusters"]), emr(&ON_CLUSTERS));
        let (service_role, node_role) = (role(service_role), role(node_role));
        let all = tokio::join!(
            self.simulate(&principal, &run, "*", &request),
            self.simulate(&principal, &list, "*", &[]),
            self.simulate(&principal, &own, &cluster, &resource),
            self.simulate(&principal, &pass, &service_role, &to_emr),
            self.simulate(&principal, &pass, &node_role, &to_ec2),
        );
        let mut found = Found::default();
        for one in [all.0, all.1, all.2, all.3, all.4] {
            found = found.and(one);
        }
        found.unchecked.dedup();
        found
    }

    async fn simulate(
        &self,
        principal: &str,
        actions: &[String],
        resource: &str,
        context: &[(String, &str)],
    ) -> Found {
        let mut parameters = vec![
            ("PolicySourceArn".to_owned(), principal.to_owned()),
            ("ResourceArns.member.1".to_owned(), resource.to_owned()),
        ];
        for (number, action) in (1..).zip(actions) {
            parameters.push((format!("ActionNames.member.{number}"), action.clone()));
        }
        for (number, (key, value)) in (1..).zip(context) {
            let entry = format!("ContextEntries.member.{number}");
            parameters.push((format!("{entry}.ContextKeyName"), key.clone()));
            parameters.push((format!("{entry}.ContextKeyType"), "string".to_owned()));
            parameters.push((format!("{entry}.ContextKeyValues.member.1"), (*value).to_owned()));
        }
        let question = job_aws::Question::Form(&parameters);
        match IAM.ask(self.clients, "SimulatePrincipalPolicy", question).await {
            Ok(text) => {
                let on = if resource == "*" { String::new() } else { format!(" on {resource}") };
                let line = |action: String| {
                    format!(
                        "you have no permission for {action}{on}: allow it (emr-bootstrap/policies/launcher.json)"
                    )
                };
                Found::all_wrong(denied(&text).into_iter().map(line))
            }
            Err(why) => Found::unchecked("your own permissions", short(&why)),
        }
    }
}

/// The user or role whose policies count. `None` for the account itself.
fn principal(arn: &str) -> Option<String> {
    let Some((start, rest)) = arn.split_once(":assumed-role/") else {
        return (!arn.ends_with(":root")).then(|| arn.to_owned());
    };
    let name = rest.split('/').next()?;
    Some(format!("{}:role/{name}", start.replacen(":sts:", ":iam:", 1)))
}

/// The actions that are surely denied: for the others the simulator lacks values that the policies look at.
fn denied(text: &str) -> Vec<String> {
    let Some(document) = document(text) else { return Vec::new() };
    let child = |node: roxmltree::Node<'_, '_>, name: &str| {
        let found = node.children().find(|child| child.tag_name().name() == name)?;
        Some((
            found.text().unwrap_or_default().trim().to_owned(),
            found.children().any(|child| child.is_element()),
        ))
    };
    let results = document.descendants().filter(|node| node.tag_name().name() == "member");
    let surely = results.filter_map(|node| {
        let (action, _) = child(node, "EvalActionName")?;
        let (decision, _) = child(node, "EvalDecision")?;
        let lacks_values = child(node, "MissingContextValues").is_some_and(|(_, has_some)| has_some);
        (decision != "allowed" && !lacks_values).then_some(action)
    });
    surely.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_those_of_a_user_or_of_the_role_behind_a_session() {
        let user = "arn:aws:iam::123456789012:user/backup";
        assert_eq!(principal(user).as_deref(), Some(user));
        assert_eq!(
            principal("arn:aws-cn:sts::123456789012:assumed-role/deploy/me").as_deref(),
            Some("arn:aws-cn:iam::123456789012:role/deploy")
        );
        assert_eq!(principal("arn:aws:iam::123456789012:root"), None);
    }

    #[test]
    fn only_what_is_surely_denied_counts() {
        let member = |action: &str, decision: &str, missing: &str| {
            format!(
                "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>\
                 <MissingContextValues>{missing}</MissingContextValues></member>"
            )
        };
        let text = [
            member("a:Yes", "allowed", ""),
            member("a:No", "implicitDeny", ""),
            member("a:Never", "explicitDeny", ""),
            member("a:Maybe", "implicitDeny", "<member>aws:SourceIp</member>"),
        ]
        .concat();
        let text = format!(
            "<R xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><EvaluationResults>{text}</EvaluationResults></R>"
        );
        assert_eq!(denied(&text), ["a:No", "a:Never"]);
        assert_eq!(denied("no XML"), Vec::<String>::new());
    }
}
