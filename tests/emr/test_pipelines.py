"""Definitions of Data Pipeline, run on the stand-in with the real binaries: AWS's own with one line changed, and ours."""

import copy
import datetime
import json
import os
import subprocess
import time
import unittest

import datapipeline
import support
from datapipeline import Pipeline

CLASSES = "org.apache.hadoop.dynamodb.tools."
ITEMS = 20_000
FOLDER = "s3://mybucket/tablehaul"
WHEN = datetime.datetime(2026, 11, 28, 3, 0, 0, tzinfo=datetime.timezone.utc)
OURS = ["export", "import", "export-step-only", "import-step-only"]
# What `tablehaul emr convert` makes of AWS's.
CONVERTED = support.HERE.parent.parent / "coordinator" / "emr" / "tests" / "convert" / "expected"
AWS = [f"{kind}-{generation}" for generation in (1, 2) for kind in ("export", "import")]


def load(name):
    folder = support.HERE / "definitions" if name in AWS else support.BOOTSTRAP / "pipelines"
    return json.loads((folder / f"{name}.json").read_text())


def fields(definition, kind):
    return next(one for one in definition["objects"] if one.get("type") == kind)


class Definitions(unittest.TestCase):
    """What can be said without running them."""

    def test_they_are_well_formed(self):
        for name in OURS + AWS:
            self.assertEqual(datapipeline.check(load(name)), [], name)

    def test_ours_ask_for_what_the_templates_ask_for(self):
        for name in OURS:
            ours, theirs = load(name), load(f"{name.partition('-')[0]}-2")
            names = lambda definition: {one["id"] for one in definition["parameters"]}
            self.assertLessEqual(names(theirs), names(ours))
            self.assertEqual({one for one in names(ours) if one.startswith("myDDB")}, {one for one in names(theirs) if one.startswith("myDDB")})
            self.assertEqual([one["id"] for one in ours["objects"]], [one["id"] for one in theirs["objects"]])

    def test_ours_survive_whatever_comes_first_splitting_or_evaluating(self):
        for name in OURS:
            for line in [fields(load(name), "EmrActivity")["step"], fields(load(name), "EmrCluster").get("bootstrapAction", "")]:
                for expression in line.split("#{")[1:]:
                    self.assertNotIn(",", expression.partition("}")[0])
                self.assertNotIn(" ", line)

    def test_the_cluster_is_not_resized_to_types_that_are_gone(self):
        for name in OURS:
            self.assertEqual(fields(load(name), "EmrActivity")["resizeClusterBeforeRunning"], "false")

    def test_mistakes_are_found(self):
        for change, words in [
            (lambda one: one.update(atemptTimeout="1 Hour"), "EmrActivity has no field atemptTimeout"),
            (lambda one: one.update(runsOn={"ref": "Nowhere"}), "no object Nowhere"),
            (lambda one: one.update(step="a.jar,#{myTypo}"), "parameter myTypo is not defined"),
            (lambda one: one.update(step="x" * 10241), "longer than 10240 bytes"),
            (lambda one: one.update(maximumRetries="6"), "more than 5 retries"),
        ]:
            definition = load("export-2")
            change(fields(definition, "EmrActivity"))
            self.assertIn(words, "; ".join(datapipeline.check(definition)))

    def test_converted_ones_are_well_formed_and_ask_for_what_ours_ask_for(self):
        for name in AWS:
            for form, ours in [("bootstrap-action", name.partition("-")[0]), ("step-alone", f"{name.partition('-')[0]}-step-only")]:
                converted = json.loads((CONVERTED / f"{name}.{form}.json").read_text())
                self.assertEqual(datapipeline.check(converted), [], name)
                common = {"myOutputS3Loc": "s3://b/x", "myInputS3Loc": "s3://b/x", "myDDBTableName": "Forum", "myPipelineLogUri": "s3://b/logs"}
                given = {**common, "myTablehaulFolder": FOLDER, "myTablehaulVersion": "0.1.0", "myTablehaulSum": "0" * 64}
                found, wanted = (Pipeline(one, given, WHEN).request() for one in (converted, load(ours)))
                arguments = lambda request: [
                    word.replace("DynamoDb", "DynamoDB") for word in request["Steps"][0]["HadoopJarStep"]["Args"] if "tablehaul.deadline" not in word
                ]
                self.assertEqual(arguments(found), arguments(wanted), name)
                self.assertEqual(found["Steps"][0]["HadoopJarStep"]["Jar"], wanted["Steps"][0]["HadoopJarStep"]["Jar"])
                scripts = lambda request: [one["ScriptBootstrapAction"] for one in request["BootstrapActions"]]
                first = lambda request: [(one["Path"], one["Args"][:2]) for one in scripts(request)]
                self.assertEqual(first(found), first(wanted), name)

    def test_two_pipelines_with_the_same_logs_and_second_share_no_state(self):
        converted = [json.loads((CONVERTED / f"import-{generation}.{form}.json").read_text()) for generation in (1, 2) for form in ("bootstrap-action", "step-alone")]
        for definition in [load("import"), load("import-step-only"), *converted]:
            given = {"myInputS3Loc": "s3://b/x", "myDDBTableName": "Forum", "myPipelineLogUri": "s3://b/logs"}
            given |= {"myTablehaulFolder": FOLDER, "myTablehaulSum": "0" * 64}
            states = set()
            for pipeline in ("df-1", "df-1", "df-2"):
                arguments = Pipeline(definition, given, WHEN, pipeline).request()["Steps"][0]["HadoopJarStep"]["Args"]
                states |= {word for word in arguments if word.startswith("-Dtablehaul.state=")}
            self.assertEqual(states, {f"-Dtablehaul.state=s3://b/logs/tablehaul-state/{one}/2026-11-28T03:00:00" for one in ("df-1", "df-2")})

    def test_expressions_and_commas(self):
        definition = load("export-1")
        fields(definition, "EmrActivity")["step"] = ["a.jar,b\\\\,c, d ", "b.jar,#{output.directoryPath}"]
        request = Pipeline(definition, {"myOutputS3Loc": "s3://b/x"}, WHEN).request()
        steps = [step["HadoopJarStep"] for step in request["Steps"]]
        self.assertEqual(steps[0], {"Jar": "a.jar", "Args": ["b,c", "d"]})
        self.assertEqual(steps[1]["Args"], ["s3://b/x/2026-11-28-03-00-00"])
        self.assertEqual([group["InstanceRole"] for group in request["Instances"]["InstanceGroups"]], ["MASTER", "CORE", "TASK"])
        fields(definition, "EmrActivity")["step"] = "a.jar,#{output.readThroughputPercent}"
        with self.assertRaisesRegex(datapipeline.Wrong, "S3BackupLocation has no field readThroughputPercent"):
            Pipeline(definition, {}, WHEN).request()


class Runs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.give_s3(cls)
        copies = [f"Copy{number}:sink=1" for number in range(20)]
        cls.dynamodb = support.start_dynamodb(f"Forum:items={ITEMS}", f"Slow:items={ITEMS},item-bytes=4000,rcu=2000", "SlowCopy:sink=1,wcu=4000", *copies)
        cls.addClassCleanup(cls.dynamodb.stop)
        cls.emr_server = support.start_emr(cls.s3_server.url, {"TABLEHAUL_DYNAMODB_ENDPOINT": cls.dynamodb.url})
        cls.addClassCleanup(cls.emr_server.stop)
        cls.emr = support.client("emr", cls.emr_server.url)
        name = f"tablehaul-{support.VERSION}-{support.ARCH}-linux.tar.gz"
        data = support.real_archive()
        cls.sum = support.sum_of(data)
        cls.printed = support.upload(cls.s3_server.url, FOLDER, {name: data})
        cls.copies = iter(range(20))

    def setUp(self):
        self.emr_server.ask("/_emr/reset", {})
        self.start = time.monotonic()

    def tearDown(self):
        print(f"{self.id().rpartition('.')[2]}: {time.monotonic() - self.start:.1f} s", flush=True)

    def repaired(self, name, form, options=""):
        """AWS's definition with the line changed as upload.sh prints it."""
        definition = load(name)
        before = json.dumps(definition, indent=0).splitlines()
        activity, cluster = fields(definition, "EmrActivity"), fields(definition, "EmrCluster")
        lines = [line.strip() for line in self.printed.splitlines() if line.startswith("  ")]
        printed = {key: value for line in lines[: 2 if form == "a" else None] for key, value in json.loads("{" + line + "}").items()}
        _, java_class, arguments = activity["step"].split(",", 2)
        # Its m3 and releases are no longer to be had: the only other change, and only here.
        cluster |= {"releaseLabel": "emr-5.36.2"} | {key: "m5.xlarge" for key in cluster if key.endswith("InstanceType")}
        before = json.dumps(definition, indent=0).splitlines()
        activity["step"] = printed["step"].replace("REGION", "#{myDDBRegion}").replace("CLASS", java_class).replace("ARGUMENTS", options + arguments)
        if form == "a":
            cluster["bootstrapAction"] = printed["bootstrapAction"]
        after = json.dumps(definition, indent=0).splitlines()
        added = [line for line in after if line not in before]
        self.assertEqual(len([line for line in added if '"step"' in line or '"bootstrapAction"' in line]), 2 if form == "a" else 1)
        return definition

    def attempt(self, definition, values, strike=None, once=None):
        """One attempt: (state of the step, its stdout, its stderr, cluster). It is struck once `once()` is true."""
        common = {"myPipelineLogUri": "s3://mybucket/logs", "myTablehaulFolder": FOLDER, "myTablehaulSum": self.sum}
        request = Pipeline(definition, {**common, **values}, WHEN).request()
        cluster_id = self.emr.run_job_flow(**request)["JobFlowId"]
        if strike:
            support.wait_for("what shall be struck", once, 60)
            self.emr_server.ask("/_emr/strike", {"id": cluster_id, "how": strike})
        over = lambda: (c := self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"])["Status"]["State"].startswith("TERMINATED") and c
        cluster = support.wait_for(cluster_id, over, 120, 0.2)
        step = self.emr.list_steps(ClusterId=cluster_id)["Steps"][0]
        logs = f"s3://mybucket/logs/{cluster_id}/steps/{step['Id']}"
        read = lambda name: support.unzipped(self.s3, f"{logs}/{name}.gz")
        if step["Status"]["State"] in ("COMPLETED", "FAILED"):
            support.wait_for(f"{logs}/controller", lambda: "ended with exit code" in (read("controller") or ""), 20)
            time.sleep(0.3)
        return step["Status"]["State"], read("stdout") or "", read("stderr") or "", cluster

    def tablehaul(self, *arguments):
        environment = {**os.environ, "TABLEHAUL_S3_ENDPOINT": self.s3_server.url, "TABLEHAUL_DYNAMODB_ENDPOINT": self.dynamodb.url}
        environment |= {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": support.REGION}
        return subprocess.run([support.BINARIES / "tablehaul", *arguments], env=environment, capture_output=True, text=True)

    def verified(self, folder):
        done = self.tablehaul("verify", folder, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(str(ITEMS), done.stdout)

    def imported(self, table):
        writes = self.dynamodb.ask("/_fake/stats")["tables"][table]["writes"]
        self.assertEqual((writes["distinct"], writes["present"], writes["altered"], writes["foreign"]), (ITEMS, ITEMS, 0, 0))

    def there_and_back(self, export, load_back, name):
        out = f"s3://mybucket/{name}"
        state, stdout, stderr, cluster = self.attempt(export, {"myDDBTableName": "Forum", "myOutputS3Loc": out})
        self.assertEqual((state, cluster["Status"]["StateChangeReason"]["Code"]), ("COMPLETED", "ALL_STEPS_COMPLETED"), stderr)
        backup = f"{out}/2026-11-28-03-00-00"
        self.assertEqual(support.last_line(stdout), f"Output path: {backup}")
        self.verified(backup)
        table = f"Copy{next(self.copies)}"
        state, stdout, stderr, _ = self.attempt(load_back, {"myDDBTableName": table, "myInputS3Loc": backup})
        self.assertEqual(state, "COMPLETED", stderr)
        self.imported(table)

    def test_aws_1_with_a_bootstrap_action(self):
        self.there_and_back(self.repaired("export-1", "a"), self.repaired("import-1", "a"), "aws1a")

    def test_aws_1_with_the_step_alone(self):
        self.there_and_back(self.repaired("export-1", "b"), self.repaired("import-1", "b"), "aws1b")

    def test_aws_2_with_a_bootstrap_action(self):
        self.there_and_back(self.repaired("export-2", "a"), self.repaired("import-2", "a"), "aws2a")

    def test_aws_2_with_the_step_alone(self):
        self.there_and_back(self.repaired("export-2", "b"), self.repaired("import-2", "b"), "aws2b")

    def test_ours_with_a_bootstrap_action(self):
        self.there_and_back(load("export"), load("import"), "ours")

    def test_ours_with_the_step_alone(self):
        self.there_and_back(load("export-step-only"), load("import-step-only"), "ours-step-only")

    def test_options_of_the_field_are_understood(self):
        options = "-Dfs.s3.canned.acl=BucketOwnerFullControl,-Dtablehaul.if-complete=skip,"
        state, _, stderr, _ = self.attempt(self.repaired("export-2", "a", options), {"myDDBTableName": "Forum", "myOutputS3Loc": "s3://mybucket/acl"})
        self.assertEqual(state, "COMPLETED", stderr)

    def test_a_retry_of_a_complete_export_succeeds_with_skip_and_fails_without(self):
        values = {"myDDBTableName": "Forum", "myOutputS3Loc": "s3://mybucket/again"}
        self.assertEqual(self.attempt(load("export"), values)[0], "COMPLETED")
        state, stdout, stderr, _ = self.attempt(load("export"), values)
        self.assertEqual(state, "COMPLETED", stderr)
        self.assertEqual(support.last_line(stdout), "Output path: s3://mybucket/again/2026-11-28-03-00-00")
        state, _, stderr, cluster = self.attempt(self.repaired("export-2", "a"), values)
        self.assertEqual((state, cluster["Status"]["StateChangeReason"]["Code"]), ("FAILED", "STEP_FAILURE"))
        self.assertIn("holds a complete export of table Forum", support.last_line(stderr))

    def test_a_retry_resumes_an_export_whose_process_or_cluster_died(self):
        values = {"myDDBTableName": "Slow", "myOutputS3Loc": "s3://mybucket/resumed"}
        backup, pipeline = "s3://mybucket/resumed/2026-11-28-03-00-00", load("export")
        read = lambda: self.dynamodb.ask("/_fake/stats")["tables"]["Slow"]["items"]
        after = lambda share, before=0: lambda: read() - before > ITEMS * share
        # What is in parts is noted every five seconds.
        states = [self.attempt(pipeline, values, "kill", after(0.6))[0]]
        self.assertEqual(json.loads(self.tablehaul("status", backup, "--json").stdout)["state"], "interrupted")
        states.append(self.attempt(pipeline, values, "lost", after(0.3, read()))[0])
        self.assertEqual(states, ["FAILED", "INTERRUPTED"])
        before = read()
        state, _, stderr, _ = self.attempt(pipeline, values)
        self.assertEqual(state, "COMPLETED", stderr)
        # As many as maximumRetries of the templates allows.
        self.assertEqual(len(states) + 1, Pipeline(pipeline, values).attempts())
        self.assertRegex(stderr, r"(?m)^resumes ")
        self.assertLess(read() - before, ITEMS * 0.8, "the third attempt read again what was kept")
        self.verified(backup)

    def test_a_retry_completes_an_import_whose_cluster_died(self):
        self.assertEqual(self.attempt(load("export"), {"myDDBTableName": "Forum", "myOutputS3Loc": "s3://mybucket/back"})[0], "COMPLETED")
        values = {"myDDBTableName": "SlowCopy", "myInputS3Loc": "s3://mybucket/back/2026-11-28-03-00-00"}
        total = lambda: self.dynamodb.ask("/_fake/stats")["tables"]["SlowCopy"]["writes"]["total"]
        # The journal of an import notes its progress every five seconds.
        self.assertEqual(self.attempt(load("import"), values, "lost", lambda: total() > ITEMS * 0.6)[0], "INTERRUPTED")
        before = total()
        state, _, stderr, _ = self.attempt(load("import"), values)
        self.assertEqual(state, "COMPLETED", stderr)
        self.imported("SlowCopy")
        self.assertLess(total(), before + ITEMS, "the retry wrote everything once more")

    def test_the_cause_of_a_failure_is_one_line(self):
        values = {"myDDBTableName": "Nowhere", "myOutputS3Loc": "s3://mybucket/none"}
        state, _, stderr, _ = self.attempt(load("export"), values)
        self.assertEqual(state, "FAILED")
        self.assertRegex(support.last_line(stderr), r"^tablehaul: table Nowhere does not exist in us-east-1")
        wrong = copy.deepcopy(load("export"))
        _, _, _, cluster = self.attempt(wrong, {**values, "myTablehaulSum": "0" * 64})
        self.assertEqual(cluster["Status"]["ErrorDetails"][0]["ErrorCode"], "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE")
        leader = self.emr.list_instances(ClusterId=cluster["Id"], InstanceGroupTypes=["MASTER"])["Instances"][0]["Ec2InstanceId"]
        uri = f"s3://mybucket/logs/{cluster['Id']}/node/{leader}/bootstrap-actions/1/stderr.gz"
        log = support.wait_for(uri, lambda: support.unzipped(self.s3, uri), 20)
        self.assertIn("is not what was asked for", support.last_line(log))


if __name__ == "__main__":
    unittest.main()
