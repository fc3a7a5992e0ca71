"""CloudFormation as far as `tablehaul emr setup` and `schedule` call it: states of stacks and refusals. It makes no resources.

A stack whose name ends in -fails goes back, with a reason.
"""

import threading
from xml.sax.saxutils import escape

LONGEST = 51_200


class Stacks:
    def __init__(self):
        self.lock = threading.Lock()
        self.stacks = {}  # name: [what was asked for, states to come]

    @staticmethod
    def refused(code, message):
        return 400, f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"

    def answer(self, action, form):
        """(status, XML); None for an action that is not here."""
        value = lambda name: form.get(name, [""])[0]
        name, wanted = value("StackName"), {key: one for key, one in form.items() if key.startswith(("TemplateBody", "Parameters."))}
        with self.lock:
            known = self.stacks.get(name)
            if action in ("CreateStack", "UpdateStack"):
                if len(value("TemplateBody").encode()) > LONGEST:
                    return self.refused("ValidationError", "'templateBody' failed to satisfy constraint: length less than or equal to 51200")
                if "AWS::IAM::" in value("TemplateBody") and value("Capabilities.member.1") != "CAPABILITY_NAMED_IAM":
                    return self.refused("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_NAMED_IAM]")
            if action == "CreateStack" and known:
                return self.refused("AlreadyExistsException", f"Stack [{name}] already exists")
            if action == "UpdateStack" and known and known[0] == wanted:
                return self.refused("ValidationError", "No updates are to be performed.")
            if action in ("CreateStack", "UpdateStack"):
                verb = action.removesuffix("Stack").upper()
                end = "ROLLBACK_COMPLETE" if name.endswith("-fails") else f"{verb}_COMPLETE"
                self.stacks[name] = [wanted, [f"{verb}_IN_PROGRESS", end]]
                return 200, f"<{action}Response><{action}Result><StackId>{name}</StackId></{action}Result></{action}Response>"
            if not known:
                return self.refused("ValidationError", f"Stack with id {name} does not exist")
            if action == "DescribeStacks":
                state = known[1].pop(0) if len(known[1]) > 1 else known[1][0]
                return 200, f"<R><Stacks><member><StackName>{name}</StackName><StackStatus>{state}</StackStatus></member></Stacks></R>"
            if action == "DescribeStackEvents":
                reasons = ["Resource creation cancelled", "API: iam:CreateRole User is not authorized", "User Initiated"]
                events = "".join(f"<member><ResourceStatusReason>{reason}</ResourceStatusReason></member>" for reason in reasons)
                return 200, f"<R><StackEvents>{events}</StackEvents></R>"
        return None
