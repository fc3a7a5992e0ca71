"""The life of a cluster: its states, bootstrap actions and steps, each a thread that waits for processes of its nodes."""

import datetime
import os
import pathlib
import random
import shutil
import signal
import string
import subprocess
import tempfile
import threading
import time

from .logs import Logs, split
from .metadata import Metadata
from .node import Node

SCRIPT_RUNNER = "script-runner.jar"
TERMINATING = ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW")
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def new_id(prefix):
    return prefix + "-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))


class Over(Exception):
    """The cluster has ended, or somebody ends it: nothing more is to be done."""


class Step:
    def __init__(self, request):
        self.id, self.request = new_id("s"), request
        self.state, self.created, self.started, self.ended = "PENDING", now(), None, None
        self.failure, self.process, self.cancelled = None, None, False

    def described(self):
        jar = self.request["HadoopJarStep"]
        timeline = {"CreationDateTime": self.created, "StartDateTime": self.started, "EndDateTime": self.ended}
        status = {"State": self.state, "StateChangeReason": {}, "Timeline": {k: v for k, v in timeline.items() if v}}
        if self.failure:
            status["FailureDetails"] = self.failure
        return {
            "Id": self.id,
            "Name": self.request["Name"],
            "Config": {"Jar": jar["Jar"], "Args": jar.get("Args", []), "Properties": {}},
            "ActionOnFailure": self.request.get("ActionOnFailure", "TERMINATE_CLUSTER"),
            "Status": status,
        }


class Cluster(threading.Thread):
    """A cluster. `world` has what all of them share: endpoints, times, faults, credentials."""

    def __init__(self, world, request, counts):
        super().__init__(daemon=True)
        self.world, self.request, self.id = world, request, new_id("j")
        self.name = request["Name"]
        self.tags = {tag["Key"]: tag.get("Value", "") for tag in request.get("Tags", [])}
        self.state, self.reason, self.details = "STARTING", {}, []
        self.created, self.ready, self.ended = now(), None, None
        self.steps = [Step(step) for step in request.get("Steps", [])]
        instances = request["Instances"]
        self.keep = instances.get("KeepJobFlowAliveWhenNoSteps", False)
        self.protected = instances.get("TerminationProtected", False)
        self.idle = request.get("AutoTerminationPolicy", {}).get("IdleTimeout")
        self.changed = threading.Condition(threading.RLock())
        self.ending = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=self.id + "-", dir=world.folder))
        self.role = request.get("JobFlowRole", "EMR_EC2_DefaultRole").rpartition("/")[2]
        credentials = lambda: world.credentials(self.role)
        self.metadata = Metadata(world.region, self.role, credentials)
        self.s3 = lambda: world.s3(credentials())
        self.logs = Logs(request.get("LogUri"), self.id, self.s3, lambda: world.times["logs"])
        self.nodes = [self.node(group, number) for group, count in counts for number in range(count)]
        self.lost = False

    # What the API asks for.

    def add_steps(self, requests):
        with self.changed:
            added = [Step(request) for request in requests]
            self.steps += added
            self.changed.notify_all()
        return [step.id for step in added]

    def cancel(self, ids, option):
        """SIGTERM or SIGKILL to running steps; pending ones are not run."""
        answers = []
        with self.changed:
            for step_id in ids:
                step = next((step for step in self.steps if step.id == step_id), None)
                status, reason = "FAILED", "Step is not in a state that can be cancelled"
                if step is not None and step.state in ("PENDING", "RUNNING"):
                    step.cancelled, status, reason = True, "SUBMITTED", ""
                    if step.state == "PENDING":
                        step.state, step.ended = "CANCELLED", now()
                    elif step.process:
                        self.signal(step.process, option)
                answers.append({"StepId": step_id, "Status": status, "Reason": reason})
        return answers

    def signal(self, process, option):
        if option == "TERMINATE_PROCESS":
            self.nodes[0].kill()
        elif process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)

    def terminate(self):
        """TerminateJobFlows: steps get no time to end."""
        self.end("TERMINATED", "USER_REQUEST", "Terminated by user request")

    def end(self, state, code, message, details=()):
        with self.changed:
            if self.ending is None:
                self.ending = state
                self.state, self.reason, self.details = "TERMINATING", {"Code": code, "Message": message}, list(details)
                self.changed.notify_all()
        for node in self.nodes:
            node.kill()

    # What happens by itself.

    def node(self, group, number):
        leader = group == "MASTER" and number == 0
        world = self.world
        environment = {**world.environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url}
        instance = new_id("i")
        node = Node(self.folder / instance, instance, self.id, leader, world.tools, world.visible, environment)
        node.group = group
        return node

    def run(self):
        try:
            self.launch()
            self.bootstrap()
            self.work()
        except Over:
            pass
        except Exception as error:  # a bug here must not look like a cluster that hangs
            self.end("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR", f"stand-in: {error!r}")
        for node in self.nodes:
            node.kill()
        time.sleep(self.world.times["end"])
        with self.changed:
            for step in self.steps:
                if step.state in ("PENDING", "RUNNING"):
                    step.state, step.ended = ("CANCELLED" if step.state == "PENDING" else "INTERRUPTED"), now()
            self.state, self.ended = self.ending, now()
        self.metadata.close()
        self.logs.ended.set()

    def fault(self, *kinds, also=lambda rule: True):
        return self.world.faults.cluster(kinds, self.name, also)

    def pause(self, seconds=None):
        """Waits, as long as nobody ends the cluster."""
        with self.changed:
            self.changed.wait_for(lambda: self.ending, seconds)
            if self.ending:
                raise Over

    def enter(self, state):
        with self.changed:
            if self.ending:
                raise Over
            self.state = state
        now_and_here = lambda rule: rule.get("state", "STARTING") == state
        if self.fault("hang", also=now_and_here):
            self.pause()
        if end := self.fault("end", also=now_and_here):
            self.failed(end["code"], end["message"], end.get("details", []))

    def failed(self, code, message, details=()):
        self.end("TERMINATED_WITH_ERRORS", code, message, details)
        raise Over

    def launch(self):
        if fault := self.fault("logs-never", "logs-denied"):
            self.logs.never = fault["cluster"] == "logs-never"
            self.logs.make_client = lambda: self.world.s3(("nobody", "nothing", None))
        self.enter("STARTING")
        if fault := self.fault("capacity", "quota"):
            self.pause(self.world.times["start"])
            self.failed(fault["code"], fault["message"], fault.get("details", []))
        self.pause(self.world.times["start"])
        if fault := self.fault("lost"):
            threading.Timer(fault["seconds"], self.lose).start()

    def lose(self):
        """The leader vanishes, and what it had not delivered with it."""
        self.logs.never = True
        self.end("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE", "The master node was terminated. ")

    def strike(self, how):
        """What a test wants to happen now."""
        if how == "lost":
            self.lose()
        for step in self.steps:
            if step.state == "RUNNING" and step.process and step.process.poll() is None:
                os.kill(step.process.pid, signal.SIGKILL)

    def bootstrap(self):
        self.enter("BOOTSTRAPPING")
        # EMR installs its applications meanwhile.
        self.pause(self.world.times["start"])
        leader = self.nodes[0]
        for number, action in enumerate(self.request.get("BootstrapActions", []), 1):
            script = action["ScriptBootstrapAction"]
            where = f"bootstrap action {number}"
            data = [{"primary-instance-id": leader.instance, "bootstrap-action": str(number)}]
            failed = []
            for node in self.nodes:
                try:
                    path = self.fetch(node, script["Path"])
                except Exception:
                    message = f"Master instance ({leader.instance}) failed attempting to download {where} file from S3"
                    error = {"ErrorCode": "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY", "ErrorMessage": message, "ErrorData": data}
                    self.failed("BOOTSTRAP_FAILURE", message, [error])
                logs = f"node/{node.instance}/bootstrap-actions/{number}"
                here = lambda rule: rule.get("action", 1) == number and (rule.get("node", "leader") == "leader") == node.leader
                fault = self.fault("bootstrap", also=here)
                if self.process(node, [path, *script.get("Args", [])], logs, "/home/hadoop", fault) != 0:
                    failed.append(node)
            self.pause(0)
            if leader in failed:
                message = f"On the master instance ({leader.instance}), {where} returned a non-zero return code"
                error = {"ErrorCode": "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE", "ErrorMessage": message, "ErrorData": data}
                self.failed("BOOTSTRAP_FAILURE", message, [error])
            if failed:
                names = " and ".join(node.instance for node in failed[:2])
                self.failed("BOOTSTRAP_FAILURE", f"On {len(failed)} slave instances (including {names}), {where} returned a non-zero return code")

    def fetch(self, node, uri):
        """Copies a script from S3 to a node, with the node's credentials; gives its path there."""
        bucket, key = split(uri)
        path = node.folder / "tmp" / f"{new_id('f')}-{os.path.basename(key)}"
        self.s3().download_file(bucket, key, str(path))
        path.chmod(0o755)
        return f"/tmp/{path.name}"

    def process(self, node, argv, logs, cwd, fault=None, step=None):
        """Runs a process with its logs; gives its exit code."""
        place = node.folder / "mnt/var/log" / logs
        place.mkdir(parents=True)
        for name in ("stdout", "stderr"):
            self.logs.add(f"{logs}/{name}", place / name)
        if fault and "begun" in fault:
            (place / "stderr").write_text(fault["begun"])
            self.logs.send()
            self.logs.late[f"{logs}/stderr"] = time.monotonic() + 4
        (place / "stderr").write_text(fault.get("stderr", "") if fault else "")
        if fault and "seconds" not in fault:
            return fault.get("exit", 1)
        with open(place / "stdout", "wb") as out, open(place / "stderr", "ab") as err:
            with self.changed:
                if self.ending or (step and step.cancelled):
                    return 143
                process = node.start(argv, cwd, stdout=out, stderr=err)
                if step:
                    step.process = process
            try:
                return process.wait(timeout=fault["seconds"] if fault else None)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                return process.wait()

    def work(self):
        self.enter("RUNNING")
        with self.changed:
            self.ready = now()
        while True:
            with self.changed:
                step = next((step for step in self.steps if step.state == "PENDING"), None)
                if step:
                    step.state, step.started, self.state = "RUNNING", now(), "RUNNING"
                elif not self.keep:
                    break
                else:
                    self.state = "WAITING"
                    fresh = lambda: self.ending or any(step.state == "PENDING" for step in self.steps)
                    if not self.changed.wait_for(fresh, self.idle):
                        self.end("TERMINATED", "ALL_STEPS_COMPLETED", "Auto-terminated after idle timeout")
                    self.pause(0)
            if step and not self.run_step(step):
                self.failed("STEP_FAILURE", "Shut down as step failed")
        failed = any(step.state == "FAILED" for step in self.steps)
        self.end("TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed with errors" if failed else "Steps completed")

    def run_step(self, step):
        """False if the cluster ends because the step failed."""
        jar = step.request["HadoopJarStep"]
        argv, logs = list(jar.get("Args", [])), f"steps/{step.id}"
        controller = self.nodes[0].folder / "mnt/var/log" / f"{step.id}.controller"
        self.logs.add(f"{logs}/controller", controller)
        lines = [f"INFO startExec 'hadoop jar {jar['Jar']} {' '.join(argv)}'"]
        started = time.monotonic()
        try:
            if jar["Jar"].endswith(SCRIPT_RUNNER):
                argv[0] = self.fetch(self.nodes[0], argv[0])
            elif jar["Jar"] != "command-runner.jar":
                argv = ["hadoop", "jar", jar["Jar"], *argv]
            code = self.process(self.nodes[0], argv, logs, f"/mnt/var/lib/hadoop/steps/{step.id}", self.fault("step"), step)
        except Exception as error:
            lines.append(f"ERROR {error}")
            code = 1
        lines.append(f"INFO waitProcessCompletion ended with exit code {code}")
        if code:
            lines.append(f"WARN Step failed with exitCode {code} and took {int(time.monotonic() - started)} seconds")
        controller.write_text("\n".join(lines) + "\n")
        with self.changed:
            step.ended = now()
            if self.ending:
                step.state = "INTERRUPTED"
                raise Over
            if step.cancelled:
                step.state = "CANCELLED"
                return True
            step.state = "COMPLETED" if code == 0 else "FAILED"
            if code == 0:
                return True
            uri = (self.request.get("LogUri") or "").rstrip("/")
            step.failure = {"Reason": "Unknown Error.", "LogFile": f"{uri}/{self.id}/{logs}/stderr.gz"}
            action = step.request.get("ActionOnFailure", "TERMINATE_CLUSTER")
            if action == "CANCEL_AND_WAIT":
                for other in self.steps:
                    if other.state == "PENDING":
                        other.state, other.ended = "CANCELLED", now()
            return action not in TERMINATING

    def remove(self):
        """Forgets the nodes: at the end of the server."""
        self.end("TERMINATED", "USER_REQUEST", "The stand-in ends")
        shutil.rmtree(self.folder, ignore_errors=True)
