"""The resources of emr-bootstrap/roles.yaml with parameters filled in, as CloudFormation would make them.

    tests/emr/stack.py          writes emr-bootstrap/policies from it, for those who do not use CloudFormation
    tests/emr/stack.py --check  only says whether they are up to date
"""

import json
import pathlib
import re
import sys

import yaml

BOOTSTRAP = pathlib.Path(__file__).resolve().parent.parent.parent / "emr-bootstrap"
PSEUDO = {"AWS::Partition": "aws", "AWS::AccountId": "123456789012", "AWS::Region": "us-west-2", "AWS::NoValue": None}
# Tables, region and account of the DynamoDB guide's own example.
EXAMPLE = {
    "TableArns": ",".join(f"arn:aws:dynamodb:us-west-2:123456789012:table/{name}" for name in ("Forum", "Thread", "Reply")),
    "Bucket": "mybucket",
    "DataPipelineRoles": "yes",
}
# Files of emr-bootstrap/policies and the resources that they come from.
FILES = {
    "launcher": ["LauncherPolicy"],
    "node-export": ["ClusterPolicy", "ExportPolicy"],
    "node-import": ["ClusterPolicy", "ImportPolicy"],
    "service-pass-node-role": ["PassNodeRolePolicy"],
    "data-pipeline-service": ["DataPipelineServicePolicy"],
    "data-pipeline-resource": ["ClusterPolicy", "ExportPolicy", "ImportPolicy", "DataPipelineResourcePolicy"],
}


class Call:
    def __init__(self, name, value):
        self.name, self.value = name, value


class Loader(yaml.SafeLoader):
    pass


def construct(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        return Call(name, loader.construct_scalar(node))
    kind = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return Call(name, kind(node, deep=True))


Loader.add_multi_constructor("!", construct)


class Stack:
    def __init__(self, parameters, path=BOOTSTRAP / "roles.yaml"):
        self.template = yaml.load(path.read_text(), Loader)
        self.values = {}
        for name, one in self.template["Parameters"].items():
            value = parameters.get(name, one.get("Default"))
            if value is None or value not in one.get("AllowedValues", [value]):
                raise ValueError(f"parameter {name}: {value}")
            self.values[name] = value.split(",") if one["Type"] == "CommaDelimitedList" else value
        made = {name: one for name, one in self.template["Resources"].items() if self.condition(one.get("Condition"))}
        self.resources = {}
        for name, one in made.items():
            self.resources[name] = {"Type": one["Type"], "Properties": self.plain(one["Properties"])}

    def condition(self, name):
        return name is None or self.plain(self.template["Conditions"][name])

    def reference(self, name):
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.values:
            return self.values[name]
        kind = self.template["Resources"][name]["Type"]
        # A managed policy is known by its ARN, others by their name.
        return self.arn(name) if kind == "AWS::IAM::ManagedPolicy" else self.named(name)

    def named(self, name):
        properties = self.template["Resources"][name]["Properties"]
        return next((properties[key] for key in ("RoleName", "InstanceProfileName", "ManagedPolicyName") if key in properties), name)

    def arn(self, name):
        path = {"AWS::IAM::Role": "role", "AWS::IAM::InstanceProfile": "instance-profile", "AWS::IAM::ManagedPolicy": "policy"}
        return f"arn:aws:iam::{PSEUDO['AWS::AccountId']}:{path[self.template['Resources'][name]['Type']]}/{self.named(name)}"

    def plain(self, value):
        """A value without functions."""
        if isinstance(value, dict):
            return {key: self.plain(one) for key, one in value.items()}
        if isinstance(value, list):
            return [one for one in map(self.plain, value) if one is not None]
        if not isinstance(value, Call):
            return value
        if value.name == "Ref":
            return self.reference(value.value)
        if value.name == "GetAtt":
            name, _, attribute = value.value.partition(".")
            assert attribute == "Arn", value.value
            return self.arn(name)
        if value.name == "Sub":
            # ${!x} is ${x} in the result: a variable of IAM.
            put = lambda found: f"${{{found[1][1:]}}}" if found[1].startswith("!") else str(self.reference(found[1]))
            return re.sub(r"\$\{([^}]+)\}", put, value.value)
        if value.name == "If":
            condition, yes, no = value.value
            return self.plain(yes if self.condition(condition) else no)
        if value.name == "Not":
            return not self.plain(value.value[0])
        if value.name == "Equals":
            return self.plain(value.value[0]) == self.plain(value.value[1])
        raise ValueError(f"!{value.name} is not known here")

    def policy(self, *names):
        """One document with the statements of these policies."""
        documents = [self.resources[name]["Properties"]["PolicyDocument"] for name in names]
        return {"Version": "2012-10-17", "Statement": [statement for document in documents for statement in document["Statement"]]}

    def policies(self):
        return {name: self.policy(*names) for name, names in FILES.items()}


def main():
    wrong = 0
    for name, policy in Stack(EXAMPLE).policies().items():
        path = BOOTSTRAP / "policies" / f"{name}.json"
        text = json.dumps(policy, indent=2) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            print(f"{path.name} is not what roles.yaml says: run tests/emr/stack.py")
            wrong = 1
    sys.exit(wrong)


if __name__ == "__main__":
    main()
