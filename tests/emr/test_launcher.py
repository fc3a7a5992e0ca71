"""`tablehaul emr …` against the stand-in: launches, deaths of the launcher, lost answers, failures. Real binaries everywhere."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import botocore.session
from botocore.validate import ParamValidator

import support

FOLDER = "s3://mybucket/tablehaul"
ITEMS = 3_000
ACTIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")


class Launcher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.give_s3(cls)
        slow = "Slow:items=20000,item-bytes=4000,rcu=2000"
        cls.dynamodb = support.start_dynamodb(f"Forum:items={ITEMS}", f"Thread:items={ITEMS}", slow, "Copy:sink=1,wcu=40000")
        cls.addClassCleanup(cls.dynamodb.stop)
        cls.server = support.start_emr(cls.s3_server.url, {"TABLEHAUL_DYNAMODB_ENDPOINT": cls.dynamodb.url}, {"logs": 0.5})
        cls.addClassCleanup(cls.server.stop)
        data = support.real_archive()
        cls.sum = support.sum_of(data)
        support.upload(cls.s3_server.url, FOLDER, {f"tablehaul-{support.VERSION}-{support.ARCH}-linux.tar.gz": data})
        support.client("emr", cls.server.url).list_clusters()  # the first call takes a second
        iam = support.client("iam", cls.server.url)
        for role, service in [("tablehaul-service", "elasticmapreduce"), ("tablehaul-node", "ec2")]:
            trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
        for profile in ("tablehaul-node", "empty"):
            iam.create_instance_profile(InstanceProfileName=profile)
        iam.add_role_to_instance_profile(InstanceProfileName="tablehaul-node", RoleName="tablehaul-node")
        cls.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TABLEHAUL_"))},
            "AWS_ACCESS_KEY_ID": "testkey",
            "AWS_SECRET_ACCESS_KEY": "testsecret",
            "AWS_REGION": support.REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_EMR": cls.server.url,
            "AWS_ENDPOINT_URL_S3": cls.s3_server.url,
            "AWS_ENDPOINT_URL_DYNAMODB": cls.dynamodb.url,
            **{f"AWS_ENDPOINT_URL_{name}": cls.server.url for name in ("CLOUDFORMATION", "EC2", "IAM", "PRICING", "STS")},
            "TABLEHAUL_EMR_INSTALL_FROM": FOLDER,
            "TABLEHAUL_EMR_LOGS": "s3://mybucket/logs",
            "TABLEHAUL_EMR_POLL": "1s",
            "TABLEHAUL_EMR_LOG_WAIT": "20s",
        }

    def setUp(self):
        self.server.ask("/_emr/reset", {})
        self.server.ask("/_emr/times", {"start": 0.3, "end": 0.1})
        self.known = {one["id"] for one in self.clusters_ever()}
        self.start = time.monotonic()

    def tearDown(self):
        print(f"{self.id().rpartition('.')[2]}: {time.monotonic() - self.start:.1f} s", flush=True)

    def spawn(self, *arguments):
        command = [str(support.BINARIES / "tablehaul"), "emr", *arguments]
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.bury, process)
        return process

    @staticmethod
    def bury(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    @staticmethod
    def end(process, seconds=120):
        out, err = process.communicate(timeout=seconds)
        return process.returncode, out, err

    def run_emr(self, *arguments):
        return self.end(self.spawn(*arguments))

    def succeeds(self, *arguments):
        code, out, err = self.run_emr(*arguments)
        self.assertEqual(code, 0, err)
        return out, err

    def fails(self, code, words, *arguments):
        got, _, err = self.run_emr(*arguments)
        self.assertEqual(got, code, err)
        self.assertRegex(support.last_line(err), "^tablehaul: .*" + words)
        return err

    def faults(self, *rules):
        self.server.ask("/_emr/faults", list(rules))

    def calls(self, name):
        return self.server.ask("/_emr/stats")["calls"].get(name, 0)

    def clusters_ever(self):
        return self.server.ask("/_emr/clusters")

    def clusters(self):
        """Those of this test, as they are now."""
        return [one for one in self.clusters_ever() if one["id"] not in self.known]

    def until(self, *states):
        return support.wait_for(states, lambda: [one for one in self.clusters() if one["state"] in states], 60)[0]["id"]

    def no_cluster_is_left(self):
        support.wait_for("the end of all clusters", lambda: not any(one["state"] in ACTIVE for one in self.clusters()), 60)

    def tablehaul(self, *arguments):
        done = subprocess.run([str(support.BINARIES / "tablehaul"), *arguments], env=self.environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def holds_a_complete_export(self, folder):
        code, out, err = self.tablehaul("verify", folder)
        self.assertEqual(code, 0, out + err)

    def is_unfinished(self, folder):
        status = json.loads(self.tablehaul("status", "--json", folder)[1])
        return status["state"] in ("running", "stopped", "interrupted", "unfinished") and status.get("percent", 0) > 0

    # What works.

    def test_an_export_is_launched_watched_and_verified(self):
        out, err = self.succeeds("export", "Forum", "s3://mybucket/exports/one", "--yes", "--json")
        self.holds_a_complete_export("s3://mybucket/exports/one")
        self.assertEqual(self.calls("RunJobFlow"), 1)
        self.assertIn("instance hours", err)
        report = json.loads(out)
        self.assertEqual(report["folders"][0]["state"], "complete")
        self.assertEqual(report["folders"][0]["items"], ITEMS)
        self.no_cluster_is_left()
        # Again: everything is there, so nothing is launched.
        self.fails(2, "--if-complete skip", "export", "Forum", "s3://mybucket/exports/one", "--yes")
        self.assertEqual(self.calls("RunJobFlow"), 1)

    def test_several_tables_are_steps_of_one_cluster(self):
        self.succeeds("export", "Forum", "Thread", "s3://mybucket/exports/all", "--yes", "--compress", "zstd")
        for table in ("Forum", "Thread"):
            self.holds_a_complete_export(f"s3://mybucket/exports/all/{table}")
        self.assertEqual((self.calls("RunJobFlow"), len(self.clusters())), (1, 1))

    def test_an_import(self):
        code, _, err = self.tablehaul("export", "Forum", "s3://mybucket/exports/imported", "--read-units", "100000")
        self.assertEqual(code, 0, err)
        _, err = self.succeeds("import", "s3://mybucket/exports/imported", "Copy", "--yes")
        self.assertIn("imported ", err)
        self.assertIn(f"{ITEMS} written", err)

    def test_a_running_cluster_takes_the_steps_and_stays(self):
        emr = support.client("emr", self.server.url)
        groups = {"InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}], "KeepJobFlowAliveWhenNoSteps": True}
        cluster = emr.run_job_flow(Name="theirs", ReleaseLabel="emr-7.13.0", LogUri="s3://mybucket/logs", Instances=groups)["JobFlowId"]
        self.until("WAITING")
        self.succeeds("export", "Forum", "s3://mybucket/exports/guest", "--yes", "--cluster-id", cluster)
        self.holds_a_complete_export("s3://mybucket/exports/guest")
        # Nothing ran on YARN, so tablehaul kept EMR from ending the cluster.
        folder = next(one["folder"] for one in self.clusters_ever() if one["id"] == cluster)
        self.assertEqual(len(list(pathlib.Path(folder).glob("i-*/emr/metricscollector/isbusy"))), 1)
        self.assertEqual(emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"], "WAITING")
        emr.terminate_job_flows(JobFlowIds=[cluster])

    # The request.

    def test_what_is_printed_satisfies_the_services_own_model(self):
        out, _ = self.succeeds(
            *["export", "Forum", "Thread", "s3://mybucket/x", "--print", "--nodes", "2", "--spot", "3", "--subnet", "subnet-0a1b2c3d,subnet-1a2b3c4d"],
            *["--cluster-tag", "team=data", "--security-configuration", "strict", "--read-percent", "50", "--consistent", "--tags", "a=b"],
        )
        request = json.loads(out)
        shape = botocore.session.get_session().get_service_model("emr").operation_model("RunJobFlow").input_shape
        report = ParamValidator().validate(request, shape)
        self.assertFalse(report.has_errors(), report.generate_report())
        self.assertLessEqual(set(request), set(shape.members))
        self.assertEqual(self.calls("RunJobFlow"), 0)
        arguments = request["Steps"][0]["HadoopJarStep"]["Args"]
        self.assertEqual(arguments[1:4], ["export", "Forum", "s3://mybucket/x/Forum"])
        for one in ("--read-percent=50", "--consistent", "--tags=a=b", "--if-complete=skip", "--cluster=yarn", "--region=us-east-1", "--deadline=12h"):
            self.assertIn(one, arguments)
        self.assertEqual(request["BootstrapActions"][0]["ScriptBootstrapAction"]["Args"], [FOLDER, support.VERSION, self.sum])

    def test_what_is_wrong_is_told_before_anything_is_launched(self):
        self.s3.put_object(Bucket="mybucket", Key="exports/foreign/x", Body=b"x")
        target = "s3://mybucket/exports/wrong"
        for words, arguments in [
            ("table Nothing does not exist", ["Nothing", target]),
            ("is not empty", ["Forum", "s3://mybucket/exports/foreign"]),
            ("below the top of the bucket", ["Forum", target, "--logs", "s3://mybucket"]),
            ("emr-7.99.0.*but has", ["Forum", target, "--release", "emr-7.99.0"]),
            ("m9.huge.*does not support", ["Forum", target, "--instance-type", "m9.huge"]),
            ("there is no run.sh", ["Forum", target, "--install-from", "s3://mybucket/nowhere"]),
            ("clusters cannot reach it", ["Forum", "/tmp/x"]),
        ]:
            self.fails(2, words, "export", *arguments, "--yes")
        # Without a terminal nobody can agree.
        self.fails(2, "give --yes", "export", "Forum", target)
        self.assertEqual(self.calls("RunJobFlow"), 0)

    def test_every_fault_is_told_at_once_before_anything_is_launched(self):
        wrong = ["--service-role", "nobody", "--node-role", "empty", "--subnet", "subnet-0a1b2c3d", "--security-configuration", "none"]
        wrong += ["--release", "emr-7.99.0", "--logs", "s3://nobucket/logs"]
        err = self.fails(2, "", "export", "Nothing", "s3://mybucket/exports/wrong", "--yes", *wrong)
        said = support.last_line(err)
        for words in [
            "table Nothing does not exist",
            "--release emr-7.99.0: ",
            "--logs s3://nobucket/logs: there is no such bucket",
            "--service-role nobody: there is no such role",
            "--node-role empty: the instance profile has no role",
            "--subnet subnet-0a1b2c3d: us-east-1 has no such subnet",
            "--security-configuration none: EMR in us-east-1 has none of this name",
        ]:
            self.assertIn(words, said)
        self.fails(2, "--service-role tablehaul-node: EMR may not assume it", "export", "Forum", "s3://mybucket/exports/wrong", "--yes", "--service-role", "tablehaul-node")
        self.fails(2, "--node-role nobody: there is no instance profile", "export", "Forum", "s3://mybucket/exports/wrong", "--yes", "--node-role", "nobody")
        self.assertEqual(self.calls("RunJobFlow"), 0)

    def test_the_plan_says_what_it_costs(self):
        self.server.ask("/_emr/prices", {"m5.xlarge": [0.192, 0.048]})
        self.addCleanup(self.server.ask, "/_emr/prices", {})
        code, _, err = self.run_emr("export", "Forum", "s3://mybucket/exports/three", "--yes", "--detach", "--nodes", "2")
        self.assertEqual(code, 0, err)
        self.assertRegex(err, r"hours       about 0\.4 instance hours of EC2 and EMR: 3 × \(8 min 00 s to start \+ [^)]*\); about \$0\.\d\d at the list price of m5\.xlarge")
        code, _, err = self.tablehaul("export", "Forum", "s3://mybucket/exports/priced", "--read-units", "100000")
        self.assertEqual(code, 0, err)
        _, err = self.succeeds("import", "s3://mybucket/exports/priced", "Copy", "--yes", "--detach")
        self.assertRegex(err, r"hours       about 0\.1 instance hours of EC2 and EMR: 1 × \(8 min 00 s to start \+ [^)]*\); about \$0\.0\d at the list price")
        self.no_cluster_is_left()

    def test_a_refusal_of_emr(self):
        self.faults({"action": "RunJobFlow", "error": "ValidationException", "message": "Invalid InstanceProfile: tablehaul-node."})
        self.fails(2, "tablehaul-node", "export", "Forum", "s3://mybucket/exports/refused", "--yes")
        self.assertEqual(self.clusters(), [])

    # Deaths, signals, repetitions.

    def slow(self, folder, *more):
        return self.spawn("export", "Slow", folder, "--yes", "--read-percent", "15", *more)

    def works(self, folder):
        cluster = self.until("RUNNING")
        support.wait_for("progress", lambda: self.is_unfinished(folder), 60, 0.5)
        return cluster

    def test_the_launcher_is_killed_and_started_again(self):
        folder = "s3://mybucket/exports/killed"
        first = self.slow(folder)
        self.works(folder)
        first.kill()
        first.communicate()
        code, _, err = self.end(self.slow(folder))
        self.assertEqual(code, 0, err)
        self.assertIn("does this already: watching it", err)
        self.holds_a_complete_export(folder)
        self.assertEqual(self.calls("RunJobFlow"), 1)

    def test_ctrl_c_stops_in_order_and_the_same_command_resumes(self):
        folder = "s3://mybucket/exports/stopped"
        first = self.slow(folder)
        self.works(folder)
        first.send_signal(signal.SIGINT)
        code, _, err = self.end(first)
        self.assertEqual(code, 3, err)
        self.no_cluster_is_left()
        self.assertEqual((self.calls("CancelSteps"), self.calls("TerminateJobFlows")), (1, 1))
        status = json.loads(self.tablehaul("status", "--json", folder)[1])
        self.assertEqual((status["state"], status["why"]), ("stopped", "stopped by a signal"))
        code, _, err = self.end(self.spawn("export", "Slow", folder, "--yes", "--read-percent", "15"))
        self.assertEqual(code, 0, err)
        self.assertIn("resumes", err)
        self.holds_a_complete_export(folder)

    def test_ctrl_c_while_the_cluster_starts(self):
        self.server.ask("/_emr/times", {"start": 30})
        first = self.slow("s3://mybucket/exports/early")
        self.until("STARTING")
        time.sleep(1.5)
        first.send_signal(signal.SIGINT)
        code, _, err = self.end(first)
        self.assertEqual(code, 3, err)
        self.no_cluster_is_left()

    def test_ctrl_c_twice_leaves_the_cluster_alone(self):
        folder = "s3://mybucket/exports/left"
        first = self.slow(folder)
        self.works(folder)
        # So that the first one has not ended everything before the second comes.
        self.faults({"action": "CancelSteps", "error": "ThrottlingException", "message": "Rate exceeded", "times": 0})
        first.send_signal(signal.SIGINT)
        time.sleep(1)
        first.send_signal(signal.SIGINT)
        code, _, err = self.end(first)
        self.assertEqual(code, 3, err)
        self.assertIn("left cluster", support.last_line(err))
        self.until("TERMINATED")
        self.holds_a_complete_export(folder)

    def test_detached(self):
        folder = "s3://mybucket/exports/detached"
        _, err = self.succeeds("export", "Forum", folder, "--yes", "--detach")
        self.assertIn("works on its own", err)
        self.until("TERMINATED")
        self.holds_a_complete_export(folder)

    def test_two_launchers_at_once_share_one_cluster(self):
        folder = "s3://mybucket/exports/both"
        self.server.ask("/_emr/times", {"start": 5})
        both = [self.slow(folder) for _ in range(2)]
        for one in both:
            code, _, err = self.end(one)
            self.assertEqual(code, 0, err)
        self.holds_a_complete_export(folder)
        done = [one for one in self.clusters() if one["reason"].get("Code") == "ALL_STEPS_COMPLETED"]
        self.assertEqual(len(done), 1)
        self.no_cluster_is_left()

    # Failures.

    def test_the_answer_of_runjobflow_is_lost(self):
        folder = "s3://mybucket/exports/lost"
        self.faults({"action": "RunJobFlow", "lost": "answer"})
        _, err = self.succeeds("export", "Forum", folder, "--yes")
        self.assertIn("looking for what it has done", err)
        self.assertEqual((self.calls("RunJobFlow"), len(self.clusters())), (1, 1))
        self.holds_a_complete_export(folder)

    def test_throttled_calls_are_repeated(self):
        busy = {"error": "ThrottlingException", "message": "Rate exceeded"}
        self.faults({"action": "DescribeCluster", "times": 2, **busy}, {"action": "ListSteps", "times": 1, **busy}, {"action": "RunJobFlow", "times": 1, **busy})
        self.succeeds("export", "Forum", "s3://mybucket/exports/throttled", "--yes")
        self.assertEqual(len(self.clusters()), 1)

    def test_a_bootstrap_action_fails(self):
        self.faults({"cluster": "bootstrap", "stderr": "x\ntablehaul: no space left for the package\n"})
        self.fails(1, "no space left for the package", "export", "Forum", "s3://mybucket/exports/bootstrap", "--yes")
        self.no_cluster_is_left()

    def test_a_step_fails(self):
        self.faults({"cluster": "step", "exit": 1, "stderr": "tablehaul: table Forum was deleted\n"})
        self.fails(1, "table Forum was deleted .step s-", "export", "Forum", "s3://mybucket/exports/failed", "--yes")
        self.no_cluster_is_left()
        self.faults({"cluster": "step", "exit": 3, "stderr": "tablehaul: stopped before its deadline\n"})
        self.fails(3, "stopped before its deadline", "export", "Forum", "s3://mybucket/exports/failed", "--yes")

    def test_a_log_that_has_only_begun_does_not_say_why(self):
        target = ["export", "Forum", "s3://mybucket/exports/begun", "--yes"]
        begun = "tablehaul: warning: this is not why\n"
        self.faults({"cluster": "step", "exit": 3, "begun": begun, "stderr": begun + "tablehaul: stopped before its deadline\n"})
        self.fails(3, "stopped before its deadline .step s-", *target)
        # Killed: nothing in its log says why.
        self.faults({"cluster": "step", "exit": 137, "begun": begun, "stderr": begun + "export Forum\n"})
        self.fails(1, "export Forum .step s-", *target)
        self.faults({"cluster": "step", "exit": 137, "stderr": ""})
        self.fails(1, "ended with exit code 137, but its log does not say why", *target)

    def test_there_is_no_capacity(self):
        self.faults({"cluster": "capacity"})
        self.fails(1, "EC2 has no m5.xlarge left", "export", "Forum", "s3://mybucket/exports/capacity", "--yes")

    def test_the_leader_is_lost(self):
        folder = "s3://mybucket/exports/leader"
        first = self.slow(folder)
        cluster = self.works(folder)
        self.server.ask("/_emr/strike", {"id": cluster, "how": "lost"})
        code, _, err = self.end(first)
        self.assertEqual(code, 1, err)
        self.assertRegex(support.last_line(err), "^tablehaul: cluster .* ended before the job was done: the cluster lost instances")

    # The other commands.

    def test_status_logs_and_stop(self):
        folder = "s3://mybucket/exports/others"
        first = self.slow(folder)
        cluster = self.works(folder)
        out, _ = self.succeeds("status")
        self.assertRegex(out, f"{cluster}  RUNNING  tablehaul export Slow")
        out, _ = self.succeeds("status", cluster)
        self.assertRegex(out, "s-[A-Z0-9]+  RUNNING  export Slow " + folder)
        self.fails(2, "give --yes", "stop", cluster)
        self.succeeds("stop", cluster, "--yes")
        code, _, err = self.end(first)
        self.assertEqual(code, 3, err)
        out = support.wait_for("logs", lambda: (said := self.succeeds("logs", cluster)[0]) and "stopped by a signal" in said and said, 30)
        self.assertIn("stderr:", out)
        self.fails(2, "j-NOPE", "status", "j-NOPE")

    def test_a_pipeline_is_converted(self):
        definition = str(support.HERE / "definitions" / "export-2.json")
        out, err = self.succeeds("convert", definition)
        self.assertIn(f"{FOLDER}/install.sh,{FOLDER},{support.VERSION},{self.sum}", out)
        json.loads(out)
        self.assertIn("+ command-runner.jar,/home/hadoop/tablehaul/tablehaul,", err)
        with tempfile.TemporaryDirectory() as place:
            out, _ = self.succeeds("convert", definition, "--step-only", "--to", f"{place}/new.json")
            self.assertEqual(out, "")
            self.assertIn("run.sh", pathlib.Path(f"{place}/new.json").read_text())
        self.fails(2, "cannot be read", "convert", "/nowhere.json")

    def test_setup_and_schedule_create_stacks(self):
        arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum"
        with tempfile.TemporaryDirectory() as place:
            made = ["setup", "--bucket", "mybucket", "--table-arn", arn, "--template", f"{place}/roles.yaml", "--create"]
            self.fails(2, "give --yes", *made)
            out, _ = self.succeeds(*made, "--yes")
            self.assertIn("created the stack tablehaul", out)
            self.assertNotIn("aws cloudformation deploy", out)
            self.assertIn("the stack tablehaul is up to date", self.succeeds(*made, "--yes")[0])
            self.assertIn("changed the stack tablehaul", self.succeeds(*made, "--yes", "--access", "export")[0])
            timed = lambda name: ["schedule", "--cron", "0 3 * * ? *", "--name", name, "--template", f"{place}/s.json", "--create"]
            job = ["export", "Forum", "s3://mybucket/exports", "--yes"]
            self.assertIn("created the stack nightly, which launches the job by cron(0 3 * * ? *) (UTC)", self.succeeds(*timed("nightly"), *job)[0])
            self.fails(1, "the stack it-fails is ROLLBACK_COMPLETE: API: iam:CreateRole User is not authorized", *timed("it-fails"), *job)

    def test_setup_and_schedule_print_what_is_to_be_done(self):
        with tempfile.TemporaryDirectory() as place:
            template = f"{place}/roles.yaml"
            arn = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum"
            out, _ = self.succeeds("setup", "--bucket", "mybucket", "--table-arn", arn, "--template", template)
            self.assertIn(f"TableArns={arn}", out)
            self.assertEqual(pathlib.Path(template).read_text(), (support.BOOTSTRAP / "roles.yaml").read_text())
            template = f"{place}/schedule.json"
            timed = ["schedule", "--cron", "0 3 * * ? *", "--name", "nightly", "--template", template]
            out, _ = self.succeeds(*timed, "export", "Forum", "s3://mybucket/exports")
            self.assertIn("aws cloudformation deploy --stack-name nightly", out)
            made = json.loads(pathlib.Path(template).read_text())
            linted = subprocess.run([support.CACHE / "lint/bin/cfn-lint", template], capture_output=True, text=True)
            self.assertEqual((linted.returncode, linted.stdout), (0, ""))
            request = json.loads(made["Resources"]["Schedule"]["Properties"]["Target"]["Input"])
            self.assertEqual(request["Steps"][0]["HadoopJarStep"]["Args"][3], "s3://mybucket/exports/<aws.scheduler.scheduled-time>")
            shape = botocore.session.get_session().get_service_model("emr").operation_model("RunJobFlow").input_shape
            self.assertFalse(ParamValidator().validate(request, shape).has_errors())
            self.fails(2, "six fields", *timed[:2], "0 3 * * *", *timed[3:], "export", "Forum", "s3://mybucket/exports")


if __name__ == "__main__":
    unittest.main()
