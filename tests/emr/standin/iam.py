"""IAM as it is on AWS for what tablehaul and its launcher call. moto checks signatures and collects policies; it knows
neither the resources of DynamoDB and EMR nor conditions, so what a policy says about a call is decided here.

Each action that is checked is noted: `seen` is what the least privilege must hold.
"""

import json
import re
import threading
from urllib.parse import parse_qs, urlparse

from moto import settings
from moto.core.exceptions import AccessDeniedError
from moto.core.responses import BaseResponse
from moto.dynamodb.responses import DynamoHandler
from moto.iam import access_control
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import sts_backends

from .api import Emr

ACCOUNT = "123456789012"
# What the check of a call needs besides action and resource: condition keys and further (action, resource, keys).
call = threading.local()


def session(role):
    """Keys of a role, as the metadata of an instance gives them: (key, secret, token)."""
    sts = sts_backends[ACCOUNT]["aws"]
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    one = sts.assume_role(region_name="us-east-1", role_session_name="i-0", role_arn=arn, policy=None, duration=21600, external_id=None)
    return one.access_key_id, one.secret_access_key, one.session_token


def enforce():
    """From now on, every call needs a policy that allows it."""
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0


# The language of policies.


def listed(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text):
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.S) is not None


OPERATORS = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": like,
    "ArnLike": like,
    "ArnEquals": like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
}


def holds(condition, keys):
    """Whether a Condition block is met. An operator that is not known here ends the test: it must not pass unseen."""
    have = {name.lower(): value for name, value in keys.items()}
    for operator, tests in (condition or {}).items():
        for name, wanted in tests.items():
            value = have.get(name.lower())
            if operator == "Null":
                if (value is None) != (listed(wanted)[0].lower() == "true"):
                    return False
                continue
            base = operator.removesuffix("IfExists")
            if base != operator and value is None:
                continue
            negated = "Not" in base
            compare = OPERATORS[base.replace("Not", "")]
            met = value is not None and any(compare(one, value) for one in listed(wanted))
            if met == negated:
                return False
    return True


def verdict(statement, action, resource, keys):
    """'Allow', 'Deny' or None."""
    put = lambda pattern: pattern.replace("${aws:username}", keys.get("aws:username", "${aws:username}"))
    matches = lambda patterns, text: any(like(put(pattern), text) for pattern in listed(patterns))
    if "Action" in statement and not matches([one.lower() for one in listed(statement["Action"])], action.lower()):
        return None
    if "NotAction" in statement and matches([one.lower() for one in listed(statement["NotAction"])], action.lower()):
        return None
    if not matches(statement["Resource"], resource) or not holds(statement.get("Condition"), keys):
        return None
    return statement["Effect"]


def allowed(policies, action, resource, keys):
    verdicts = {verdict(statement, action, resource, keys) for policy in policies for statement in listed(policy["Statement"])}
    return "Allow" in verdicts and "Deny" not in verdicts


# IAM's simulator, which moto lacks, and other calls that are answered here.


def user_of(header):
    """The user whose key signed a request; None for keys that nobody made."""
    key = re.search(r"Credential=([^/]+)/", header or "")
    users = iam_backends[ACCOUNT]["aws"].users.values()
    return next((user for user in users if key and any(one.access_key_id == key[1] for one in user.access_keys)), None)


def documents_of(user):
    inline = [json.loads(document) for document in user.policies.values()]
    return inline + [json.loads(policy.document) for policy in user.managed_policies.values()]


def may(world, header, action, resource):
    """Whether the sender of a request may do this; everybody may as long as policies do not count."""
    if not world.enforces:
        return True
    world.seen(action, resource)
    user = user_of(header)
    return user is not None and allowed(documents_of(user), action, resource, {"aws:username": user.name})


def simulate(form):
    """SimulatePrincipalPolicy: (status, XML)."""
    value = lambda name: form.get(name, [""])[0]
    numbered = lambda name: [value(f"{name}.{number}") for number in range(1, 50) if f"{name}.{number}" in form]
    arn = value("PolicySourceArn")
    user = iam_backends[ACCOUNT]["aws"].users.get(arn.rpartition("/")[2])
    if user is None or user.arn != arn:
        return 404, f"<ErrorResponse><Error><Code>NoSuchEntity</Code><Message>{arn} cannot be found</Message></Error></ErrorResponse>"
    keys = {"aws:username": user.name}
    for number in range(1, 50):
        entry = f"ContextEntries.member.{number}"
        if f"{entry}.ContextKeyName" in form:
            keys[value(f"{entry}.ContextKeyName")] = value(f"{entry}.ContextKeyValues.member.1")
    resource = (numbered("ResourceArns.member") or ["*"])[0]
    said = ""
    for action in numbered("ActionNames.member"):
        decision = "allowed" if allowed(documents_of(user), action, resource, keys) else "implicitDeny"
        said += f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
        said += f"<EvalDecision>{decision}</EvalDecision><MissingContextValues/></member>"
    result = f"<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{said}</EvaluationResults></SimulatePrincipalPolicyResult>"
    return 200, f'<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">{result}</SimulatePrincipalPolicyResponse>'


def price_list(prices, wanted):
    """GetProducts of the price list, for the types in `prices`: {"m5.xlarge": [dollars of EC2, of EMR]}."""
    kind = next((one["Value"] for one in wanted["Filters"] if one["Field"] == "instanceType"), None)
    products = []
    if kind in prices:
        dollars = prices[kind][0 if wanted["ServiceCode"] == "AmazonEC2" else 1]
        dimension = {"unit": "Hrs", "pricePerUnit": {"USD": f"{dollars:.10f}"}}
        products.append(json.dumps({"terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}}}))
    return {"FormatVersion": "aws_v1", "PriceList": products}


# What the calls are about.


def of_iam(self):
    if role := self._get_param("RoleName"):
        return f"arn:aws:iam::{ACCOUNT}:role/{role}"
    if profile := self._get_param("InstanceProfileName"):
        return f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile}"
    return "*"


def arn(service, region, what):
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{what}"


def of_dynamodb(self):
    body = json.loads(self.body or "{}") if isinstance(self.body, (str, bytes)) else self.body
    names = [body["TableName"]] if "TableName" in body else sorted(body.get("RequestItems", {})) or ["*"]
    tables = [name if name.startswith("arn:") else arn("dynamodb", self.region, f"table/{name}") for name in names]
    call.keys = {}
    call.more = [(None, table, {}) for table in tables[1:]]
    return tables[0]


def of_emr(self):
    wanted, call.keys, call.more = self.wanted, {}, []
    if self._get_action() == "RunJobFlow":
        for tag in wanted.get("Tags", []):
            for prefix in ("aws:RequestTag/", "elasticmapreduce:RequestTag/"):
                call.keys[prefix + tag["Key"]] = tag.get("Value", "")
        # EMR passes the service role to itself and the other one to EC2, by the right of the caller.
        for key, service in (("ServiceRole", "elasticmapreduce.amazonaws.com"), ("JobFlowRole", "ec2.amazonaws.com")):
            if key in wanted:
                role = f"arn:aws:iam::{ACCOUNT}:role/{wanted[key].rpartition('/')[2]}"
                call.more.append(("iam:PassRole", role, {"iam:PassedToService": service}))
        return "*"
    cluster_id = wanted.get("ClusterId") or wanted.get("JobFlowId") or wanted.get("ResourceId") or next(iter(wanted.get("JobFlowIds", [])), None)
    if not cluster_id:
        return "*"
    cluster = self.world.clusters.get(cluster_id)
    for key, value in (cluster.tags if cluster else {}).items():
        for prefix in ("aws:ResourceTag/", "elasticmapreduce:ResourceTag/"):
            call.keys[prefix + key] = value
    return arn("elasticmapreduce", self.region, f"cluster/{cluster_id}")


def policies_of(request):
    documents = []
    for policy in request._access_key.collect_policies():
        document = access_control.IAMPolicy(policy)._policy_json
        documents.append(json.loads(document) if isinstance(document, str) else document)
    return documents


def check(self, resource):
    """Replaces moto's: action, resource and conditions of the call, then of what it implies."""
    if self._action == "sts:GetCallerIdentity":
        return
    policies = policies_of(self)
    keys = {"aws:SecureTransport": "true", "aws:RequestedRegion": self._region}
    for action, one, more in [(self._action, resource, getattr(call, "keys", {})), *getattr(call, "more", [])]:
        # What moto calls so is a ListBucket without a prefix.
        action = "s3:ListBucket" if (action or self._action) == "s3:HeadBucket" else action or self._action
        call.world.seen(action, one)
        if not allowed(policies, action, one, {**keys, **more}):
            call.denied = action, one
            self._raise_access_denied()


def install(world):
    def checked(self, resource):
        call.world = world
        check(self, resource)

    access_control.IAMRequestBase.check_action_permitted = checked
    DynamoHandler._determine_resource = of_dynamodb
    Emr._determine_resource = of_emr

    ask_s3 = BaseResponse._authenticate_and_authorize_s3_action

    def s3(self, bucket_name=None, key_name=None):
        query = parse_qs(urlparse(self.uri).query, keep_blank_values=True)
        call.more, call.keys = [], {}
        if self.method != "HEAD":
            call.keys["s3:prefix"] = query.get("prefix", [""])[0]
        return ask_s3(self, bucket_name=bucket_name, key_name=key_name)

    BaseResponse._authenticate_and_authorize_s3_action = s3

    # A service that speaks JSON denies in JSON, with what AWS says.
    ask = BaseResponse._authenticate_and_authorize_normal_action

    def normal(self, resource="*"):
        if not isinstance(self, (DynamoHandler, Emr)):
            call.more, call.keys = [], {}
        if isinstance(self, IamResponse):
            resource = of_iam(self)
        try:
            ask(self, resource)
        except AccessDeniedError as error:
            if isinstance(self, (DynamoHandler, Emr)):
                action, one = call.denied
                who = re.search(r"User: (\S+)", str(error.description))
                text = f"User: {who[1] if who else '?'} is not authorized to perform: {action} on resource: {one} because no identity-based policy allows the {action} action"
                error.description = json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "message": text, "Message": text})
                error.code = 400
            raise

    BaseResponse._authenticate_and_authorize_normal_action = normal
