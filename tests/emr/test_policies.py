"""The roles of emr-bootstrap, enforced: clusters launched by one who has only the launcher's policy, jobs with the node role
alone, and what each of them may not do."""

import json
import os
import re
import subprocess
import time
import unittest

from botocore.exceptions import ClientError

import support
from stack import Stack

ACCOUNT = "123456789012"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/Forum"
ITEMS = 300
# The DynamoDB guide's own inline policy for people who use Data Pipeline.
GUIDE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "EMR",
            "Effect": "Allow",
            "Action": [f"elasticmapreduce:{name}" for name in ("DescribeStep", "DescribeCluster", "RunJobFlow", "TerminateJobFlows")],
            "Resource": "*",
            "Condition": {"Null": {"elasticmapreduce:RequestTag/dynamodbdatapipeline": "false"}},
        }
    ],
}
TAGS = [{"Key": "dynamodbdatapipeline", "Value": "true"}, {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"}]


def make(iam, resources):
    """Makes the resources of a stack."""
    arns = {}
    for name, one in resources.items():
        properties = one["Properties"]
        if one["Type"] == "AWS::IAM::ManagedPolicy":
            called = properties.get("ManagedPolicyName", name)
            arn = iam.create_policy(PolicyName=called, PolicyDocument=json.dumps(properties["PolicyDocument"]))["Policy"]["Arn"]
            arns[f"arn:aws:iam::{ACCOUNT}:policy/{called}"] = arn
    for one in resources.values():
        properties = one["Properties"]
        if one["Type"] == "AWS::IAM::Role":
            iam.create_role(RoleName=properties["RoleName"], AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]))
            for arn in properties["ManagedPolicyArns"]:
                iam.attach_role_policy(RoleName=properties["RoleName"], PolicyArn=arns.get(arn, arn))
        if one["Type"] == "AWS::IAM::InstanceProfile":
            iam.create_instance_profile(InstanceProfileName=properties["InstanceProfileName"])
            iam.add_role_to_instance_profile(InstanceProfileName=properties["InstanceProfileName"], RoleName=properties["Roles"][0])


class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = support.start_emr("self")
        cls.addClassCleanup(cls.server.stop)
        url = cls.server.url
        cls.server.ask("/_emr/environment", {"TABLEHAUL_DYNAMODB_ENDPOINT": url})
        iam = support.client("iam", url)
        parameters = {"TableArns": TABLE, "Bucket": "mybucket", "DataPipelineRoles": "yes"}
        make(iam, Stack(parameters).resources)
        cls.admin = cls.user(iam, "admin", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        cls.guide = cls.user(iam, "guide", GUIDE)
        cls.launcher = cls.user(iam, "launcher", Stack(parameters).policy("LauncherPolicy"))
        s3, dynamodb = cls.client("s3", cls.admin), cls.client("dynamodb", cls.admin)
        s3.create_bucket(Bucket="mybucket")
        for name in ("Forum", "Other"):
            dynamodb.create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        for number in range(ITEMS):
            dynamodb.put_item(TableName="Forum", Item={"id": {"S": str(number)}, "text": {"S": "x" * 100}})
        data = support.real_archive()
        cls.folder, name = "s3://mybucket/tablehaul", f"tablehaul-{support.VERSION}-{support.ARCH}-linux.tar.gz"
        cls.bootstrap = [f"{cls.folder}/install.sh", cls.folder, support.VERSION, support.sum_of(data)]
        support.upload(url, cls.folder, {name: data})
        cls.server.ask("/_emr/prices", {"m5.xlarge": [0.192, 0.048]})
        cls.server.ask("/_emr/enforce", {})

    @classmethod
    def client(cls, service, keys):
        return support.client(service, cls.server.url, **keys)

    @staticmethod
    def user(iam, name, policy):
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def setUp(self):
        self.server.ask("/_emr/reset", {})

    def request(self, *arguments, **changes):
        request = {
            "Name": "tablehaul",
            "ReleaseLabel": "emr-7.13.0",
            "LogUri": "s3://mybucket/logs",
            "ServiceRole": "tablehaul-service",
            "JobFlowRole": "tablehaul-node",
            "Tags": TAGS,
            "Instances": {"InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]},
            "BootstrapActions": [{"Name": "tablehaul", "ScriptBootstrapAction": {"Path": self.bootstrap[0], "Args": self.bootstrap[1:]}}],
            "Steps": [
                {"Name": "job", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["/home/hadoop/tablehaul/tablehaul", *arguments]}}
            ],
        }
        return {**request, **changes}

    def job(self, *arguments, **changes):
        """Runs a job as the launcher: (state of the step, its stderr)."""
        emr, s3 = self.client("emr", self.launcher), self.client("s3", self.launcher)
        cluster_id = emr.run_job_flow(**self.request(*arguments, **changes))["JobFlowId"]
        state = lambda: emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"].startswith("TERMINATED")
        support.wait_for(cluster_id, state, 120, 0.2)
        step = emr.list_steps(ClusterId=cluster_id)["Steps"][0]
        logs = f"s3://mybucket/logs/{cluster_id}/steps/{step['Id']}"
        support.wait_for(logs, lambda: support.unzipped(s3, f"{logs}/controller.gz"), 30)
        time.sleep(0.3)
        return step["Status"]["State"], support.unzipped(s3, f"{logs}/stderr.gz")

    def actions(self):
        """What policies were asked about, without EMR and the launcher's reading of logs."""
        logs = "arn:aws:s3:::mybucket/logs"
        checked = {(action, resource) for action, resource in self.server.ask("/_emr/checked")}
        return {action for action, resource in checked if not action.startswith(("elasticmapreduce:", "iam:")) and not resource.startswith(logs)}

    def documented(self, command):
        """Needed and optional actions of docs/permissions.md: those of the table and those of the second one."""
        text = (support.ROOT / "docs/permissions.md").read_text()
        row = next(line for line in text.splitlines() if line.startswith(f"| `{command}`"))
        cells = [re.findall(r"`(\w+)`", cell) for cell in row.split("|")[2:4]]
        needed = {f"dynamodb:{name}" for name in cells[0]} | {f"s3:{name}" for name in cells[1]}
        optional = set(re.findall(r"`((?:s3|dynamodb|application-autoscaling):\w+)`", text.partition("optional. A note")[2].partition("sts:")[0]))
        return needed, optional

    # What works, with these actions and no others.

    def test_1_an_export_needs_what_is_documented(self):
        state, stderr = self.job("export", "Forum", "s3://mybucket/exports/one")
        self.assertEqual(state, "COMPLETED", stderr)
        needed, optional = self.documented("export")
        seen = self.actions()
        self.assertLessEqual(seen - optional, needed)
        # Deleting and aborting are for what goes wrong.
        self.assertLessEqual(needed - {"s3:AbortMultipartUpload"}, seen)
        granted = {action for statement in Stack({"TableArns": TABLE, "Bucket": "b", "Access": "export"}).policy("ExportPolicy")["Statement"] for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])}
        self.assertEqual(granted, needed | optional)

    def test_2_an_import_needs_what_is_documented(self):
        state, stderr = self.job("import", "s3://mybucket/exports/one", "Forum", "--state", "s3://mybucket/logs/tablehaul-state/one")
        self.assertEqual(state, "COMPLETED", stderr)
        needed, _ = self.documented("import`, mode `put` or `delete")
        self.assertEqual(self.actions(), needed)

    def test_3_verify_and_status(self):
        state, stderr = self.job("verify", "s3://mybucket/exports/one")
        self.assertEqual(state, "COMPLETED", stderr)
        self.assertEqual(self.actions(), self.documented("verify`, `status")[0])

    def launched(self, keys, folder, *more):
        """Launches an export as a user with these keys."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TABLEHAUL_"))}
        environment |= {f"AWS_ENDPOINT_URL_{name}": self.server.url for name in ("EMR", "S3", "DYNAMODB", "STS", "IAM", "EC2", "PRICING")}
        environment |= {"AWS_ACCESS_KEY_ID": keys["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"]}
        environment |= {"AWS_REGION": support.REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        place = ["--logs", "s3://mybucket/logs", "--install-from", self.folder, "--poll", "1s", "--yes"]
        command = [str(support.BINARIES / "tablehaul"), "emr", "export", "Forum", folder, *place, *more]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    def test_the_launcher_works_with_its_policy_alone(self):
        done = self.launched(self.launcher, "s3://mybucket/exports/launched", "--subnet", self.subnet())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("not checked", done.stderr)
        self.assertIn("at the list price of m5.xlarge", done.stderr)
        asked = {action for action, _ in self.server.ask("/_emr/checked")}
        checks = {"iam:GetRole", "iam:GetInstanceProfile", "iam:SimulatePrincipalPolicy", "ec2:DescribeSubnets", "pricing:GetProducts"}
        self.assertLessEqual(checks, asked)

    def test_a_launcher_that_may_not_ask_launches_all_the_same(self):
        """What is only for checks is taken away: each is said to be unchecked, and nothing fails."""
        policy = Stack({"TableArns": TABLE, "Bucket": "mybucket"}).policy("LauncherPolicy")
        policy["Statement"] = [one for one in policy["Statement"] if not one["Sid"].startswith("Check")]
        keys = self.user(self.client("iam", self.admin), "blind", policy)
        done = self.launched(keys, "s3://mybucket/exports/blind", "--subnet", self.subnet())
        self.assertEqual(done.returncode, 0, done.stderr)
        said = next(line for line in done.stderr.splitlines() if line.startswith("not checked "))
        for what in ("the service role (no permission for iam:GetRole)", "the node role (no ", "the subnets (no ", "your own permissions (no ", "the price (no "):
            self.assertIn(what, said)

    def test_a_launcher_that_lacks_something_hears_it_before_anything_is_launched(self):
        policy = Stack({"TableArns": TABLE, "Bucket": "mybucket"}).policy("LauncherPolicy")
        policy["Statement"] = [one for one in policy["Statement"] if one["Sid"] not in ("Launch", "PassNodeRole")]
        keys = self.user(self.client("iam", self.admin), "poor", policy)
        done = self.launched(keys, "s3://mybucket/exports/poor")
        self.assertEqual(done.returncode, 2, done.stderr)
        said = support.last_line(done.stderr)
        self.assertIn("you have no permission for elasticmapreduce:RunJobFlow: allow it", said)
        self.assertIn(f"you have no permission for iam:PassRole on arn:aws:iam::{ACCOUNT}:role/tablehaul-node", said)
        self.assertNotIn("DescribeCluster", said)

    def subnet(self):
        return self.client("ec2", self.admin).describe_subnets()["Subnets"][0]["SubnetId"]

    def test_a_definition_with_data_pipelines_roles(self):
        roles = {"ServiceRole": "DataPipelineDefaultRole", "JobFlowRole": "DataPipelineDefaultResourceRole"}
        state, stderr = self.job_as(self.admin, "export", "Forum", "s3://mybucket/exports/pipeline", **roles)
        self.assertEqual(state, "COMPLETED", stderr)
        state, stderr = self.job_as(self.admin, "export", "Other", "s3://mybucket/exports/other", **roles)
        self.assertEqual(state, "FAILED")

    def job_as(self, keys, *arguments, **changes):
        mine, type(self).launcher = self.launcher, keys
        try:
            return self.job(*arguments, **changes)
        finally:
            type(self).launcher = mine

    # What does not.

    def denied(self, done, words):
        state, stderr = done
        self.assertEqual(state, "FAILED")
        self.assertRegex(support.last_line(stderr), f"^tablehaul: {words}")

    def test_another_table(self):
        self.denied(self.job("export", "Other", "s3://mybucket/exports/other"), "no permission for dynamodb:DescribeTable on table Other")
        self.denied(self.job("import", "s3://mybucket/exports/one", "Other"), "no permission for dynamodb:DescribeTable on table Other")

    def test_another_folder(self):
        self.denied(self.job("export", "Forum", "s3://mybucket/elsewhere"), "no permission for s3:ListBucket on ")

    def forbidden(self, action, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], "AccessDeniedException")
        self.assertIn(f"is not authorized to perform: {action} on resource", error["Message"])

    def test_a_cluster_without_the_tag_or_with_another_value(self):
        emr = self.client("emr", self.launcher)
        for tags in ([], TAGS[1:], [{"Key": "dynamodbdatapipeline", "Value": "false"}]):
            self.forbidden("elasticmapreduce:RunJobFlow", emr.run_job_flow, **self.request("status", Tags=tags))

    def test_a_cluster_with_other_roles(self):
        emr = self.client("emr", self.launcher)
        for role in ({"JobFlowRole": "DataPipelineDefaultResourceRole"}, {"ServiceRole": "DataPipelineDefaultRole"}):
            self.forbidden("iam:PassRole", emr.run_job_flow, **self.request("status", **role))

    def test_clusters_of_others(self):
        other = self.client("emr", self.admin).run_job_flow(**self.request("status", Tags=[]))["JobFlowId"]
        emr = self.client("emr", self.launcher)
        self.forbidden("elasticmapreduce:DescribeCluster", emr.describe_cluster, ClusterId=other)
        self.forbidden("elasticmapreduce:ListSteps", emr.list_steps, ClusterId=other)
        self.forbidden("elasticmapreduce:TerminateJobFlows", emr.terminate_job_flows, JobFlowIds=[other])
        self.assertIn(other, [one["Id"] for one in emr.list_clusters()["Clusters"]])
        self.client("emr", self.admin).terminate_job_flows(JobFlowIds=[other])

    def test_the_launcher_reads_progress_and_logs_only(self):
        s3 = self.client("s3", self.launcher)
        self.client("s3", self.admin).put_object(Bucket="mybucket", Key="exports/x/seen", Body=b"x")
        self.assertEqual(s3.get_object(Bucket="mybucket", Key="exports/x/seen")["Body"].read(), b"x")
        s3.list_objects_v2(Bucket="mybucket", Prefix="logs/")
        for call, arguments in [
            (s3.get_object, {"Key": "tablehaul/install.sh"}),
            (s3.put_object, {"Key": "exports/x/mine", "Body": b""}),
            (s3.list_objects_v2, {"Prefix": "tablehaul/"}),
        ]:
            with self.assertRaises(ClientError) as caught:
                call(Bucket="mybucket", **arguments)
            self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 403)

    def test_the_guides_policy_launches_and_is_then_blind(self):
        """Why ours is split: the tag of a request is there in RunJobFlow only."""
        emr = self.client("emr", self.guide)
        passing = self.client("iam", self.admin)
        roles = [f"arn:aws:iam::{ACCOUNT}:role/tablehaul-{name}" for name in ("node", "service")]
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": roles}]}
        passing.put_user_policy(UserName="guide", PolicyName="pass", PolicyDocument=json.dumps(allow))
        cluster_id = emr.run_job_flow(**self.request("status"))["JobFlowId"]
        self.forbidden("elasticmapreduce:DescribeCluster", emr.describe_cluster, ClusterId=cluster_id)
        self.forbidden("elasticmapreduce:TerminateJobFlows", emr.terminate_job_flows, JobFlowIds=[cluster_id])
        self.client("emr", self.launcher).terminate_job_flows(JobFlowIds=[cluster_id])


if __name__ == "__main__":
    unittest.main()
