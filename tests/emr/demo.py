"""The way of a pipeline on one machine, on an EMR that runs its steps for real: a template of AWS Data Pipeline, one line of
it changed, a cluster, the export, its logs, its report; then the same without Data Pipeline. scripts/demo emr runs this."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import support
from datapipeline import Pipeline

FOLDER = "s3://mybucket/tablehaul"
LOGS = "s3://mybucket/logs"
ITEMS = 50_000


class Demo:
    def __init__(self, place):
        self.place = pathlib.Path(place)
        self.s3_server = support.start_s3()
        self.dynamodb = support.start_dynamodb(f"Forum:items={ITEMS},rcu=2000", "Copy:sink=1,wcu=20000")
        self.emr_server = support.start_emr(self.s3_server.url, {"TABLEHAUL_DYNAMODB_ENDPOINT": self.dynamodb.url}, {"start": 2, "logs": 1})
        self.s3, self.emr = support.client("s3", self.s3_server.url), support.client("emr", self.emr_server.url)
        services = {"EMR": self.emr_server.url, "S3": self.s3_server.url, "DYNAMODB": self.dynamodb.url}
        services |= {name: self.emr_server.url for name in ("EC2", "IAM", "PRICING", "STS")}
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TABLEHAUL_"))}
        self.environment |= {f"AWS_ENDPOINT_URL_{name}": url for name, url in services.items()}
        self.environment |= {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": support.REGION}
        self.environment |= {"TABLEHAUL_EMR_INSTALL_FROM": FOLDER, "TABLEHAUL_EMR_LOGS": LOGS, "TABLEHAUL_EMR_POLL": "2s"}
        self.environment["AWS_EC2_METADATA_DISABLED"] = "true"

    def close(self):
        for server in (self.emr_server, self.dynamodb, self.s3_server):
            server.stop()

    @staticmethod
    def title(text):
        print(f"\n== {text}", flush=True)

    def show(self, *arguments):
        """Runs tablehaul as you would, and shows what it says."""
        print("\n$ tablehaul", *arguments, flush=True)
        subprocess.run([support.BINARIES / "tablehaul", *arguments], env=self.environment, check=True)

    def prepare(self):
        """Bucket, roles and packages: what `tablehaul emr setup` asks for, once."""
        self.s3.create_bucket(Bucket="mybucket")
        iam = support.client("iam", self.emr_server.url)
        for role, service in [("tablehaul-service", "elasticmapreduce"), ("tablehaul-node", "ec2")]:
            trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        iam.create_instance_profile(InstanceProfileName="tablehaul-node")
        iam.add_role_to_instance_profile(InstanceProfileName="tablehaul-node", RoleName="tablehaul-node")
        self.emr_server.ask("/_emr/prices", {"m5.xlarge": [0.192, 0.048]})
        name = f"tablehaul-{support.VERSION}-{support.ARCH}-linux.tar.gz"
        print(f"$ emr-bootstrap/upload.sh {FOLDER} dist/{name}")
        print(support.upload(self.s3_server.url, FOLDER, {name: support.real_archive()}), end="")

    def pipeline(self):
        """What Data Pipeline does with a definition: it launches the cluster and adds the step."""
        definition = json.loads((self.place / "converted.json").read_text())
        values = {"myDDBTableName": "Forum", "myOutputS3Loc": "s3://mybucket/exports", "myPipelineLogUri": LOGS}
        pipeline = Pipeline(definition, values)
        request = pipeline.request()
        print("step:", request["Steps"][0]["HadoopJarStep"]["Jar"], *request["Steps"][0]["HadoopJarStep"]["Args"])
        cluster = self.emr.run_job_flow(**request)["JobFlowId"]
        before = None
        while before not in ("TERMINATED", "TERMINATED_WITH_ERRORS"):
            state = self.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]
            if state != before:
                print(f"{cluster} is {state}", flush=True)
            before = state
            time.sleep(0.2)
        step = self.emr.list_steps(ClusterId=cluster)["Steps"][0]["Id"]
        support.wait_for("the log", lambda: support.unzipped(self.s3, f"{LOGS}/{cluster}/steps/{step}/controller.gz"), 30)
        time.sleep(1)
        return cluster, pipeline.expression("output.directoryPath", pipeline.activity())

    def run(self):
        self.title("once: upload the package")
        self.prepare()
        self.title("a template of AWS Data Pipeline, and what changes in it")
        self.show("emr", "convert", str(support.HERE / "definitions/export-2.json"), "--to", str(self.place / "converted.json"))
        self.title("Data Pipeline runs it")
        cluster, backup = self.pipeline()
        self.title("what EMR says, and the logs of the step")
        self.show("emr", "status", cluster)
        self.show("emr", "logs", cluster)
        self.title("the backup")
        self.show("status", backup)
        self.show("verify", backup)
        self.title("the same without Data Pipeline, and back into a table")
        self.show("emr", "export", "Forum", "s3://mybucket/exports/direct", "--yes", "--read-percent", "100")
        self.show("emr", "import", "s3://mybucket/exports/direct", "Copy", "--yes", "--write-percent", "100")
        writes = self.dynamodb.ask("/_fake/stats")["tables"]["Copy"]["writes"]
        print(f"\nof {ITEMS} items {writes['present']} are in table Copy, {writes['altered']} of them altered")


def main():
    with tempfile.TemporaryDirectory(prefix="tablehaul-demo-") as place:
        demo = Demo(place)
        try:
            demo.run()
        finally:
            demo.close()


if __name__ == "__main__":
    main()
