"""Actions, resources and conditions of policies against AWS's service authorization reference, as parliament ships it.

    tests/emr/policy_lint.py POLICY.json...      a line for each mistake; needs parliament (scripts/setup lint)

parliament itself looks up the condition keys of actions, not those of their resources, and no Null: that is done here.
Its other findings are taken, but for those that IGNORED explains.
"""

import json
import pathlib
import re
import sys

import parliament

GLOBAL = {"aws:requestedregion", "aws:securetransport", "aws:sourceaccount", "aws:sourcearn", "aws:principalarn", "aws:sourcevpce"}


# Findings of parliament that are not true, or meant.
IGNORED = {
    ("UNKNOWN_CONDITION_FOR_ACTION", "elasticmapreduce:ResourceTag/"): "a key of the resource, looked up here",
    ("RESOURCE_MISMATCH", "dynamodb:GetResourcePolicy"): "it takes a table or a stream, not both",
    ("RESOURCE_STAR", "datapipeline:PollForTask"): "AWS's own policy for Task Runner has *",
    ("RESOURCE_STAR", "datapipeline:DescribeObjects"): "the same",
}


def findings(text):
    """What parliament finds."""
    for one in parliament.analyze_policy_string(text).findings:
        if not any(one.issue == issue and words in str(one.detail) for issue, words in IGNORED):
            yield f"{one.issue}: {one.detail}"


def reference():
    data = json.loads(pathlib.Path(parliament.__file__).with_name("iam_definition.json").read_text())
    return {service["prefix"]: service for service in data}


def listed(value):
    return value if isinstance(value, list) else [value]


def key(name):
    """A condition key without the part that the user names: aws:RequestTag/${TagKey} is aws:requesttag/."""
    return re.sub(r"/(\$\{|<).*", "/", name).lower()


def mistakes(policy, services):
    for statement in listed(policy["Statement"]):
        for action in listed(statement["Action"]):
            service, _, name = action.partition(":")
            found = [one for one in services.get(service, {}).get("privileges", []) if one["privilege"].lower() == name.lower()]
            if not found:
                yield f"{action}: no such action"
                continue
            resources = {one["resource"]: one for one in services[service]["resources"]}
            keys, arns = set(GLOBAL), []
            for kind in found[0]["resource_types"]:
                keys |= set(map(key, kind["condition_keys"]))
                resource = resources.get(kind["resource_type"].rstrip("*"))
                if resource:
                    keys |= set(map(key, resource["condition_keys"]))
                    arns.append(resource["arn"])
            for operator, tests in statement.get("Condition", {}).items():
                for one in tests:
                    if key(one) not in keys and one.partition("/")[0].lower() + "/" not in keys:
                        yield f"{action}: {operator} {one} is never there for this action"
            if not arns and listed(statement["Resource"]) != ["*"]:
                yield f"{action}: knows no resource, needs *"


def main():
    services, wrong = reference(), 0
    for path in sys.argv[1:]:
        text = pathlib.Path(path).read_text()
        for mistake in [*mistakes(json.loads(text), services), *findings(text)]:
            print(f"{path}: {mistake}")
            wrong = 1
    sys.exit(wrong)


if __name__ == "__main__":
    main()
