"""Faults that a test orders: a list of rules, each good for so many times.

Of calls, by the name of the action:
  {"action": "DescribeCluster", "error": "ThrottlingException", "message": "Rate exceeded", "times": 3}
  {"action": "RunJobFlow", "lost": "answer"}    done, but the connection closes instead of an answer
  {"action": "RunJobFlow", "lost": "request"}   not done, and the connection closes
  {"action": "DescribeCluster", "seconds": 2}   answered late
Of clusters, by what happens to them:
  {"cluster": "hang", "state": "STARTING"}                       stays there until it is terminated
  {"cluster": "capacity"}  {"cluster": "quota"}                  no instances
  {"cluster": "end", "state": "STARTING", "code": "VALIDATION_ERROR", "message": "…", "details": [{…}]}
  {"cluster": "bootstrap", "action": 1, "node": "leader"|"core", "stderr": "…"}   that action fails
  {"cluster": "step", "seconds": 5}                              SIGKILL to the step's process after so long
  {"cluster": "step", "exit": 1, "stderr": "…"}                  the step fails without running
  {"cluster": "step", "exit": 1, "begun": "…", "stderr": "…"}    the same, but EMR delivers only `begun` at first
  {"cluster": "lost", "seconds": 5}                              the leader vanishes, with its logs
  {"cluster": "logs-never"}  {"cluster": "logs-denied"}          nothing arrives under LogUri
`times` is 1 if it is not given; 0 means always. `name` limits a rule of clusters to those whose name contains it.
"""

import threading

KEYS = {"action", "cluster", "error", "message", "status", "lost", "seconds", "state", "code", "details", "node", "stderr", "begun", "exit", "times", "name"}
KINDS = {"hang", "capacity", "quota", "end", "bootstrap", "step", "lost", "logs-never", "logs-denied"}
# A capacity or a quota that is missing, in EMR's words.
PRESETS = {
    "capacity": {
        "code": "INTERNAL_ERROR",
        "message": "EC2 is out of capacity for m5.xlarge",
        "details": [
            {
                "ErrorCode": "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ",
                "ErrorMessage": "EC2 is out of capacity for m5.xlarge",
                "ErrorData": [{"instance-type": "m5.xlarge", "availability-zone": "us-east-1a"}],
            }
        ],
    },
    "quota": {
        "code": "VALIDATION_ERROR",
        "message": "You have requested more vCPU capacity than your current vCPU limit of 5 allows for the instance bucket that the "
        "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
    },
}


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []

    def set(self, rules):
        for rule in rules:
            unknown = set(rule) - KEYS
            if unknown or ("cluster" in rule and rule["cluster"] not in KINDS) or not {"action", "cluster"} & set(rule):
                raise ValueError(f"no fault is like this: {rule}")
        with self.lock:
            self.rules = [{**rule, "times": rule.get("times", 1)} for rule in rules]

    def take(self, wanted):
        """The first rule that `wanted` accepts, used once; or None."""
        with self.lock:
            for rule in self.rules:
                if wanted(rule):
                    if rule["times"] == 1:
                        self.rules.remove(rule)
                    elif rule["times"] > 1:
                        rule["times"] -= 1
                    return rule
        return None

    def call(self, action):
        return self.take(lambda rule: "cluster" not in rule and rule["action"] == action)

    def cluster(self, kinds, name, also):
        found = self.take(lambda rule: rule.get("cluster") in kinds and rule.get("name", "") in name and also(rule))
        return {**PRESETS.get(found["cluster"], {}), **found} if found else None
