"""The stand-in itself: states, signals, logs, refusals and faults, as EMR documents them."""

import pathlib
import threading
import time
import unittest
import urllib.error

from botocore.exceptions import ClientError, ConnectionClosedError

import support
from standin.node import MARK

GROUPS = {"InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]}


class StandIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.give_s3(cls)
        cls.s3.put_object(Bucket="mybucket", Key="hello.sh", Body=b'#!/bin/bash\necho "hello $*"\necho last >&2\n')
        cls.server = support.start_emr(cls.s3_server.url, times={"logs": 0.3})
        cls.addClassCleanup(cls.server.stop)
        # Without retries of its own: each call is one call.
        cls.emr = support.client("emr", cls.server.url, retries=0)
        cls.emr.list_clusters()  # the first call takes a second

    def setUp(self):
        self.server.ask("/_emr/reset", {})

    def faults(self, *rules):
        self.server.ask("/_emr/faults", list(rules))

    def launch(self, *commands, instances=None, failing="TERMINATE_CLUSTER", **changes):
        """Starts a cluster whose steps are these shell commands."""
        steps = [
            {"Name": command, "ActionOnFailure": failing, "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["bash", "-c", command]}}
            for command in commands
        ]
        request = {"Name": "c", "ReleaseLabel": "emr-7.13.0", "LogUri": "s3://mybucket/logs", "Instances": instances or GROUPS, "Steps": steps}
        return self.emr.run_job_flow(**{**request, **changes})["JobFlowId"]

    def cluster(self, cluster_id):
        return self.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]

    def until(self, cluster_id, *states):
        return support.wait_for(states, lambda: (c := self.cluster(cluster_id))["Status"]["State"] in states and c, 30, 0.05)

    def ended(self, cluster_id):
        """(state, reason's code, message) at the end."""
        status = self.until(cluster_id, "TERMINATED", "TERMINATED_WITH_ERRORS")["Status"]
        return status["State"], status["StateChangeReason"]["Code"], status["StateChangeReason"]["Message"]

    def steps(self, cluster_id):
        return [step["Status"]["State"] for step in reversed(self.emr.list_steps(ClusterId=cluster_id)["Steps"])]

    def log(self, cluster_id, name):
        return support.unzipped(self.s3, f"s3://mybucket/logs/{cluster_id}/{name}.gz")

    def test_clusters_are_listed_while_others_are_launched(self):
        """A list that changes while a request goes through it once was an HTTP status 500."""
        stop, wrong = threading.Event(), []

        def look():
            emr = support.client("emr", self.server.url, retries=0)
            while not stop.is_set():
                try:
                    self.server.ask("/_emr/clusters")
                    emr.list_clusters()
                except (urllib.error.HTTPError, ClientError) as error:
                    wrong.append(str(error))

        lookers = [threading.Thread(target=look) for _ in range(3)]
        for one in lookers:
            one.start()
        try:
            for _ in range(15):
                self.launch()
        finally:
            stop.set()
            for one in lookers:
                one.join()
        self.assertEqual(wrong, [])

    # Life.

    def test_a_cluster_goes_through_its_states_and_ends(self):
        # Long enough to be seen on a busy machine.
        self.server.ask("/_emr/times", {"start": 2})
        self.addCleanup(self.server.ask, "/_emr/times", {"start": 0.3})
        cluster_id = self.launch("sleep 2", "true")
        seen = []
        while not seen or not seen[-1].startswith("TERMINATED"):
            state = self.cluster(cluster_id)["Status"]["State"]
            seen += [state] if state not in seen[-1:] else []
        self.assertEqual([state for state in seen if state != "TERMINATING"], ["STARTING", "BOOTSTRAPPING", "RUNNING", "TERMINATED"])
        self.assertEqual(self.ended(cluster_id)[1], "ALL_STEPS_COMPLETED")
        self.assertEqual(self.steps(cluster_id), ["COMPLETED", "COMPLETED"])

    def test_a_step_has_emrs_folder_files_and_user_and_no_region(self):
        cluster_id = self.launch("pwd; whoami; echo $HOME; cat /mnt/var/lib/info/job-flow.json; echo region=$AWS_REGION$AWS_DEFAULT_REGION")
        self.ended(cluster_id)
        step = self.emr.list_steps(ClusterId=cluster_id)["Steps"][0]["Id"]
        out = support.wait_for("the log", lambda: self.log(cluster_id, f"steps/{step}/stdout"))
        for words in (f"/mnt/var/lib/hadoop/steps/{step}", "hadoop", "/home/hadoop", cluster_id, "region=\n"):
            self.assertIn(words, out)

    def test_logs_come_late(self):
        self.server.ask("/_emr/times", {"logs": 3})
        self.addCleanup(self.server.ask, "/_emr/times", {"logs": 0.3})
        cluster_id = self.launch("echo cause >&2; false")
        self.assertEqual(self.ended(cluster_id), ("TERMINATED_WITH_ERRORS", "STEP_FAILURE", "Shut down as step failed"))
        step = self.emr.list_steps(ClusterId=cluster_id)["Steps"][0]
        self.assertEqual(step["Status"]["FailureDetails"]["LogFile"], f"s3://mybucket/logs/{cluster_id}/steps/{step['Id']}/stderr.gz")
        # At most its beginning, from before the step wrote anything.
        self.assertIn(self.log(cluster_id, f"steps/{step['Id']}/stderr"), (None, ""))
        self.assertEqual(support.wait_for("the log", lambda: self.log(cluster_id, f"steps/{step['Id']}/stderr")), "cause\n")

    def test_bootstrap_actions_run_on_every_node_of_groups_and_fleets(self):
        action = [{"Name": "b", "ScriptBootstrapAction": {"Path": "s3://mybucket/hello.sh", "Args": ["x"]}}]
        fleet = lambda kind, count: {"InstanceFleetType": kind, "TargetOnDemandCapacity": count, "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}]}
        for instances in ({"MasterInstanceType": "m5.xlarge", "SlaveInstanceType": "m5.xlarge", "InstanceCount": 3}, {"InstanceFleets": [fleet("CORE", 2), fleet("MASTER", 1)]}):
            cluster_id = self.launch("true", instances=instances, BootstrapActions=action)
            self.ended(cluster_id)
            nodes = [one["Ec2InstanceId"] for one in self.emr.list_instances(ClusterId=cluster_id)["Instances"]]
            self.assertEqual(len(nodes), 3)
            for node in nodes:
                name = f"node/{node}/bootstrap-actions/1/stdout"
                self.assertEqual(support.wait_for(name, lambda: self.log(cluster_id, name)), "hello x\n")
        self.assertEqual(self.cluster(cluster_id)["InstanceCollectionType"], "INSTANCE_FLEET")
        self.assertEqual(len(self.emr.list_instances(ClusterId=cluster_id, InstanceFleetType="MASTER")["Instances"]), 1)

    def test_what_a_failing_step_does(self):
        for failing, states in [("TERMINATE_CLUSTER", ["FAILED", "CANCELLED"]), ("CONTINUE", ["FAILED", "COMPLETED"]), ("CANCEL_AND_WAIT", ["FAILED", "CANCELLED"])]:
            cluster_id = self.launch("exit 7", "true", failing=failing)
            self.assertEqual(self.ended(cluster_id)[0], "TERMINATED_WITH_ERRORS" if failing == "TERMINATE_CLUSTER" else "TERMINATED")
            self.assertEqual(self.steps(cluster_id), states)

    def test_a_cluster_that_is_kept_takes_steps_and_is_terminated(self):
        cluster_id = self.launch(instances={**GROUPS, "KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": True})
        self.until(cluster_id, "WAITING")
        step = {"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["true"]}}
        added = self.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])["StepIds"]
        support.wait_for("the step", lambda: self.emr.describe_step(ClusterId=cluster_id, StepId=added[0])["Step"]["Status"]["State"] == "COMPLETED")
        with self.assertRaisesRegex(ClientError, "termination protected"):
            self.emr.terminate_job_flows(JobFlowIds=[cluster_id])
        self.emr.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)
        self.emr.terminate_job_flows(JobFlowIds=[cluster_id])
        self.assertEqual(self.ended(cluster_id), ("TERMINATED", "USER_REQUEST", "Terminated by user request"))
        with self.assertRaisesRegex(ClientError, "may not be modified"):
            self.emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])

    def test_an_idle_cluster_ends_by_itself(self):
        cluster_id = self.launch(instances={**GROUPS, "KeepJobFlowAliveWhenNoSteps": True}, AutoTerminationPolicy={"IdleTimeout": 1})
        self.assertEqual(self.ended(cluster_id)[0], "TERMINATED")

    def test_cancelling_sends_real_signals(self):
        for option, code in [("SEND_INTERRUPT", "exit code 9"), ("TERMINATE_PROCESS", "exit code -9")]:
            cluster_id = self.launch('trap "exit 9" TERM; while :; do sleep 0.1; done', "true", "echo pending")
            self.until(cluster_id, "RUNNING")
            time.sleep(0.7)
            last, _, first = [step["Id"] for step in self.emr.list_steps(ClusterId=cluster_id)["Steps"]]
            answers = self.emr.cancel_steps(ClusterId=cluster_id, StepIds=[first, last], StepCancellationOption=option)["CancelStepsInfoList"]
            self.assertEqual([one["Status"] for one in answers], ["SUBMITTED", "SUBMITTED"])
            self.assertEqual(self.ended(cluster_id)[:2], ("TERMINATED", "ALL_STEPS_COMPLETED"))
            self.assertEqual(self.steps(cluster_id), ["CANCELLED", "COMPLETED", "CANCELLED"])
            name = f"steps/{first}/controller"
            self.assertIn(code, support.wait_for(name, lambda: self.log(cluster_id, name)))

    def test_terminating_leaves_no_process_behind(self):
        cluster_id = self.launch("setsid sleep 1000 & sleep 1000")
        self.until(cluster_id, "RUNNING")
        time.sleep(0.7)
        self.emr.terminate_job_flows(JobFlowIds=[cluster_id])
        self.ended(cluster_id)
        self.assertEqual(self.steps(cluster_id), ["INTERRUPTED"])
        folder = next(one["folder"] for one in self.server.ask("/_emr/clusters") if one["id"] == cluster_id)
        leaders = self.emr.list_instances(ClusterId=cluster_id)["Instances"]
        mark = f"{MARK}={folder}/{leaders[0]['Ec2InstanceId']}".encode()
        found = []
        for environ in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                found += [environ] if mark in environ.read_bytes() else []
            except OSError:
                pass
        self.assertEqual(found, [])

    # Refusals.

    def refused(self, words, call, **arguments):
        with self.assertRaisesRegex(ClientError, words):
            call(**arguments)

    def test_what_emr_refuses(self):
        good = {"Name": "c", "ReleaseLabel": "emr-7.13.0", "Instances": GROUPS}
        for change, words in [
            ({"ReleaseLabel": "emr-5.3.9"}, "The supplied release label is invalid: emr-5.3.9"),
            ({"Instances": {"MasterInstanceType": "m1.tiny", "InstanceCount": 1}}, "Instance type 'm1.tiny' is not supported"),
            ({"Instances": {**GROUPS, "InstanceFleets": [{"InstanceFleetType": "MASTER"}]}}, "mutually exclusive"),
        ]:
            self.refused(words, self.emr.run_job_flow, **{**good, **change})
        self.refused("Cluster id 'j-NONE' is not valid", self.emr.describe_cluster, ClusterId="j-NONE")
        self.refused("Cluster id 'j-NONE' is not valid", self.emr.terminate_job_flows, JobFlowIds=["j-NONE"])
        cluster_id = self.launch("true")
        self.refused("Step id 's-NONE' is not valid", self.emr.describe_step, ClusterId=cluster_id, StepId="s-NONE")
        self.ended(cluster_id)

    # Faults of calls.

    def test_throttling_and_counting(self):
        cluster_id = self.launch("true")
        self.faults({"action": "DescribeCluster", "error": "ThrottlingException", "message": "Rate exceeded", "times": 2})
        for _ in range(2):
            self.refused("ThrottlingException.*Rate exceeded", self.emr.describe_cluster, ClusterId=cluster_id)
        self.ended(cluster_id)
        self.assertGreater(self.server.ask("/_emr/stats")["calls"]["DescribeCluster"], 2)

    def test_lost_answers_and_lost_requests(self):
        names = lambda: [one["Name"] for one in self.emr.list_clusters()["Clusters"]]
        for what, there in [("request", False), ("answer", True)]:
            self.faults({"action": "RunJobFlow", "lost": what})
            with self.assertRaises(ConnectionClosedError):
                self.launch("true", Name=f"lost {what}")
            self.assertEqual(f"lost {what}" in names(), there)

    def test_a_fault_that_nobody_knows_is_refused(self):
        for rule in ({"cluster": "flood"}, {"action": "RunJobFlow", "losst": 1}, {"error": "x"}):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.faults(rule)
            caught.exception.close()

    # Faults of clusters.

    def test_no_capacity_and_no_quota(self):
        self.faults({"cluster": "capacity"})
        cluster_id = self.launch("true")
        self.assertEqual(self.ended(cluster_id), ("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR", "EC2 is out of capacity for m5.xlarge"))
        details = self.cluster(cluster_id)["Status"]["ErrorDetails"][0]
        self.assertEqual((details["ErrorCode"], details["ErrorData"][0]["instance-type"]), ("INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ", "m5.xlarge"))
        self.faults({"cluster": "quota"})
        self.assertIn("more vCPU capacity than your current vCPU limit", self.ended(self.launch("true"))[2])

    def test_any_end_in_any_state(self):
        self.faults({"cluster": "end", "state": "BOOTSTRAPPING", "code": "VALIDATION_ERROR", "message": "The subnet configuration was invalid"})
        self.assertEqual(self.ended(self.launch("true")), ("TERMINATED_WITH_ERRORS", "VALIDATION_ERROR", "The subnet configuration was invalid"))

    def test_a_cluster_that_hangs(self):
        self.faults({"cluster": "hang", "state": "STARTING"})
        cluster_id = self.launch("true")
        time.sleep(1)
        self.assertEqual(self.cluster(cluster_id)["Status"]["State"], "STARTING")
        self.emr.terminate_job_flows(JobFlowIds=[cluster_id])
        self.assertEqual(self.ended(cluster_id)[1], "USER_REQUEST")

    def test_bootstrap_actions_that_fail(self):
        instances = {"MasterInstanceType": "m5.xlarge", "SlaveInstanceType": "m5.xlarge", "InstanceCount": 3}
        action = lambda path: [{"Name": "b", "ScriptBootstrapAction": {"Path": path}}]
        self.faults({"cluster": "bootstrap", "stderr": "tablehaul: it is so\n"})
        cluster_id = self.launch("true", BootstrapActions=action("s3://mybucket/hello.sh"))
        _, code, message = self.ended(cluster_id)
        leader = self.emr.list_instances(ClusterId=cluster_id)["Instances"][0]["Ec2InstanceId"]
        self.assertEqual((code, message), ("BOOTSTRAP_FAILURE", f"On the master instance ({leader}), bootstrap action 1 returned a non-zero return code"))
        self.assertEqual(self.cluster(cluster_id)["Status"]["ErrorDetails"][0]["ErrorCode"], "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE")
        name = f"node/{leader}/bootstrap-actions/1/stderr"
        self.assertEqual(support.wait_for(name, lambda: self.log(cluster_id, name)), "tablehaul: it is so\n")
        self.faults({"cluster": "bootstrap", "node": "core", "times": 0})
        message = self.ended(self.launch("true", instances=instances, BootstrapActions=action("s3://mybucket/hello.sh")))[2]
        self.assertRegex(message, r"^On 2 slave instances \(including i-\w+ and i-\w+\), bootstrap action 1 returned")
        self.faults()
        cluster_id = self.launch("true", BootstrapActions=action("s3://mybucket/none.sh"))
        self.assertIn("failed attempting to download bootstrap action 1 file from S3", self.ended(cluster_id)[2])

    def test_a_step_that_is_killed_or_fails(self):
        self.faults({"cluster": "step", "seconds": 0.5})
        cluster_id = self.launch("sleep 1000")
        self.assertEqual(self.ended(cluster_id)[1], "STEP_FAILURE")
        self.faults({"cluster": "step", "exit": 3, "stderr": "so\n"})
        cluster_id = self.launch("true")
        self.assertEqual((self.ended(cluster_id)[1], self.steps(cluster_id)), ("STEP_FAILURE", ["FAILED"]))

    def test_a_leader_that_vanishes(self):
        self.faults({"cluster": "lost", "seconds": 1})
        cluster_id = self.launch("echo gone; sleep 1000")
        self.assertEqual(self.ended(cluster_id)[:2], ("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE"))
        self.assertEqual(self.steps(cluster_id), ["INTERRUPTED"])

    def test_logs_that_never_arrive(self):
        for kind in ("logs-never", "logs-denied"):
            self.faults({"cluster": kind})
            cluster_id = self.launch("echo x >&2; false")
            self.assertEqual(self.ended(cluster_id)[1], "STEP_FAILURE")
            time.sleep(1)
            listed = self.s3.list_objects_v2(Bucket="mybucket", Prefix=f"logs/{cluster_id}/")
            self.assertEqual(listed["KeyCount"], 0)
            failures = next(one["log_failures"] for one in self.server.ask("/_emr/clusters") if one["id"] == cluster_id)
            self.assertEqual(failures > 0, kind == "logs-denied")

    def test_a_rule_may_name_its_cluster(self):
        self.faults({"cluster": "capacity", "name": "poor"})
        self.assertEqual(self.ended(self.launch("true", Name="rich"))[1], "ALL_STEPS_COMPLETED")
        self.assertEqual(self.ended(self.launch("true", Name="the poor one"))[1], "INTERNAL_ERROR")


if __name__ == "__main__":
    unittest.main()
