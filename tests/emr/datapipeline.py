"""Data Pipeline as far as the DynamoDB templates use it: checks a definition, evaluates its expressions, and gives the
request with which a cluster for it is launched. Sources: Data Pipeline Developer Guide, dp-object-emractivity,
dp-object-emrcluster, dp-expressions, dp-limits.

    tests/emr/datapipeline.py FILE [NAME=VALUE ...]      prints what is wrong, or the request as JSON
"""

import datetime
import json
import re
import sys

COMMON = """attemptStatus attemptTimeout failureAndRerunMode lateAfterTimeout maxActiveInstances maximumRetries onFail onLateAction
    onSuccess parent pipelineLogUri reportProgressTimeout retryDelay schedule scheduleType workerGroup""".split()
FIELDS = {
    "EmrActivity": """dependsOn input output postStepCommand precondition preStepCommand resizeClusterBeforeRunning
        resizeClusterMaxInstances runsOn step""",
    "EmrCluster": """actionOnResourceFailure actionOnTaskFailure additionalMasterSecurityGroupIds additionalSlaveSecurityGroupIds
        amiVersion applications availabilityZone bootstrapAction configuration coreInstanceBidPrice coreInstanceCount
        coreInstanceType coreGroupConfiguration coreEbsConfiguration customAmiId emrLogUri emrManagedMasterSecurityGroupId
        emrManagedSlaveSecurityGroupId enableDebugging hadoopSchedulerType hadoopVersion httpProxy initTimeout keyPair
        masterInstanceBidPrice masterInstanceType masterGroupConfiguration masterEbsConfiguration region releaseLabel
        resourceRole role runAsUser securityConfiguration serviceAccessSecurityGroupId subnetId supportedProducts
        taskInstanceBidPrice taskInstanceCount taskInstanceType taskGroupConfiguration taskEbsConfiguration terminateAfter
        useOnDemandOnLastAttempt visibleToAllUsers""",
    "DynamoDBDataNode": "dataFormat dependsOn precondition readThroughputPercent region runsOn tableName writeThroughputPercent",
    "S3DataNode": """compression dataFormat dependsOn directoryPath filePath manifestFilePath precondition runsOn
        s3EncryptionType""",
}
FIELDS = {kind: {"id", "name", "type", *COMMON, *fields.split()} for kind, fields in FIELDS.items()}
# Fields in which expressions are not evaluated.
LITERAL = ("id", "name", "type")
MOST_OBJECTS, MOST_PARAMETERS, MOST_FIELDS, FIELD_BYTES, OBJECT_BYTES = 100, 50, 50, 10240, 15360
RETRIES = 5
# Letters of Joda-Time that the templates use.
LETTERS = {"YYYY": "%Y", "yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


class Wrong(Exception):
    """The definition cannot be run."""


def listed(value):
    return value if isinstance(value, list) else [value]


def check(definition):
    """Everything that is wrong with a definition, a line each."""
    wrong, objects = [], {}
    for one in definition["objects"]:
        if one["id"] in objects:
            wrong.append(f"two objects with id {one['id']}")
        objects[one["id"]] = one
    names = {one["id"] for one in definition.get("parameters", [])} | set(definition.get("values", {}))
    wrong += [f"parameter {name}: the name must begin with my" for name in sorted(names) if not name.startswith("my")]
    if len(objects) > MOST_OBJECTS or len(definition.get("parameters", [])) > MOST_PARAMETERS:
        wrong.append("more objects or parameters than Data Pipeline takes")
    for one in definition["objects"]:
        wrong += check_object(one, objects, names)
    return wrong


def check_object(one, objects, names):
    where, kind = one["id"], one.get("type")
    wrong = []
    if len(json.dumps(one)) > OBJECT_BYTES or len(one) > MOST_FIELDS:
        wrong.append(f"{where}: too large")
    if int(one.get("maximumRetries", 0)) > RETRIES:
        wrong.append(f"{where}: more than {RETRIES} retries")
    for field, value in one.items():
        if kind in FIELDS and field not in FIELDS[kind]:
            wrong.append(f"{where}: {kind} has no field {field}")
        for part in listed(value):
            if isinstance(part, dict) and part.get("ref") not in objects:
                wrong.append(f"{where}.{field}: no object {part.get('ref')}")
            if isinstance(part, str):
                if len(part.encode()) > FIELD_BYTES:
                    wrong.append(f"{where}.{field}: longer than {FIELD_BYTES} bytes")
                unknown = set(re.findall(r"#\{\s*\*?(my\w+)", part)) - names
                wrong += [f"{where}.{field}: parameter {name} is not defined" for name in sorted(unknown)]
                if field in LITERAL and "#{" in part:
                    wrong.append(f"{where}.{field}: expressions are not evaluated here")
    return wrong


class Pipeline:
    """A definition with the values of its parameters and the time that it is scheduled for."""

    def __init__(self, definition, values=(), when=None, pipeline="df-0001"):
        self.id = pipeline
        if wrong := check(definition):
            raise Wrong("; ".join(wrong))
        self.objects = {one["id"]: one for one in definition["objects"]}
        defaults = {one["id"]: one["default"] for one in definition.get("parameters", []) if "default" in one}
        self.values = {**defaults, **definition.get("values", {}), **dict(values)}
        self.when = when or datetime.datetime.now(datetime.timezone.utc)

    def fields(self, name):
        """An object with what it inherits from Default."""
        inherited = {key: value for key, value in self.objects.get("Default", {}).items() if key not in LITERAL}
        return {**inherited, **self.objects[name]}

    def evaluate(self, text, of):
        return re.sub(r"#\{([^}]*)\}", lambda found: self.expression(found[1].strip(), of), text)

    def expression(self, words, of):
        """The value of what stands between #{ and }, in a field of object `of`."""
        if words in self.values:
            return self.values[words]
        if words == "@pipelineId":
            return self.id
        if words == "@scheduledStartTime":
            return self.when.strftime("%Y-%m-%dT%H:%M:%S")
        if formatted := re.fullmatch(r"format\(@(?:scheduled|actual)StartTime,\s*'([^']*)'\)", words):
            return re.sub("|".join(LETTERS), lambda letters: self.when.strftime(LETTERS[letters[0]]), formatted[1])
        name, dot, field = words.partition(".")
        if dot and isinstance(of.get(name), dict):
            other = self.fields(of[name]["ref"])
            if field in other:
                return self.evaluate(other[field], other)
            raise Wrong(f"#{{{words}}}: {other['id']} has no field {field}")
        if isinstance(of.get(words), str):
            return self.evaluate(of[words], of)
        raise Wrong(f"#{{{words}}} cannot be evaluated in {of['id']}")

    def activity(self):
        found = [self.fields(name) for name, one in self.objects.items() if one.get("type") == "EmrActivity"]
        if len(found) != 1:
            raise Wrong(f"{len(found)} activities: only one is run here")
        return found[0]

    def request(self):
        """The RunJobFlow of the cluster, with the activity's steps."""
        activity = self.activity()
        cluster = self.fields(activity["runsOn"]["ref"])
        lines = lambda of, field: [words(self.evaluate(line, of)) for line in listed(of.get(field, []))]
        steps = lines(activity, "preStepCommand") + lines(activity, "step") + lines(activity, "postStepCommand")
        groups = [{"InstanceRole": "MASTER", "InstanceType": cluster["masterInstanceType"], "InstanceCount": 1}]
        for role in ("core", "task"):
            if int(cluster.get(f"{role}InstanceCount", 0)):
                kind = cluster.get(f"{role}InstanceType", cluster["masterInstanceType"])
                groups.append({"InstanceRole": role.upper(), "InstanceType": kind, "InstanceCount": int(cluster[f"{role}InstanceCount"])})
        return {
            "Name": f"{self.id}_@{cluster['id']}_{self.when:%Y-%m-%dT%H:%M:%S}",
            "ReleaseLabel": cluster["releaseLabel"],
            "LogUri": self.evaluate(cluster["pipelineLogUri"], cluster),
            "Instances": {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": False},
            "JobFlowRole": cluster["resourceRole"],
            "ServiceRole": cluster["role"],
            # Tags of the pipeline go on to its clusters.
            "Tags": [{"Key": "dynamodbdatapipeline", "Value": "true"}],
            "BootstrapActions": [
                {"Name": f"{number}", "ScriptBootstrapAction": {"Path": line[0], "Args": line[1:]}}
                for number, line in enumerate(lines(cluster, "bootstrapAction"), 1)
            ],
            "Steps": [
                {"Name": activity["name"], "ActionOnFailure": "TERMINATE_CLUSTER", "HadoopJarStep": {"Jar": line[0], "Args": line[1:]}}
                for line in steps
            ],
        }

    def attempts(self):
        return 1 + int(self.activity().get("maximumRetries", 0))


def words(line):
    """Commas separate; after a backslash they belong to the argument; blanks around an argument are cut."""
    return [re.sub(r"\\+,", ",", word).strip() for word in re.split(r"(?<!\\),", line)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        definition = json.load(file)
    try:
        values = dict(word.split("=", 1) for word in sys.argv[2:])
        print(json.dumps(Pipeline(definition, values).request(), indent=2))
    except Wrong as wrong:
        sys.exit(f"{sys.argv[1]}: {wrong}")


if __name__ == "__main__":
    main()
