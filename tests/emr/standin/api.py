"""EMR's API over clusters that run. What is not here (release labels, instance types, security configurations) is moto's."""

import json

import botocore.session
from botocore.validate import ParamValidator
from moto.core.responses import ActionResult, EmptyResult
from moto.emr.exceptions import InvalidRequestException, ValidationException
from moto.emr.responses import ElasticMapReduceResponse

from .cluster import ENDED, Cluster

MODEL = botocore.session.get_session().get_service_model("emr")
GROUPS = {"MASTER": "MasterInstanceType", "CORE": "SlaveInstanceType"}


class Emr(ElasticMapReduceResponse):
    world = None  # set by the server

    @property
    def wanted(self):
        return json.loads(self.body or "{}")

    def call_action(self):
        """Refuses what the service's own model refuses."""
        shape = MODEL.operation_model(self._get_action()).input_shape
        report = ParamValidator().validate(self.wanted, shape) if shape else None
        unknown = set(self.wanted) - set(shape.members) if shape else None
        if unknown or (report and report.has_errors()):
            why = report.generate_report() if report.has_errors() else f"unknown parameter {sorted(unknown)}"
            body = json.dumps({"__type": "ValidationException", "message": why})
            return 400, {"status": 400, "Content-Type": "application/x-amz-json-1.1"}, body
        return super().call_action()

    def cluster(self, key="ClusterId"):
        found = self.world.clusters.get(self.wanted[key])
        if not found:
            raise InvalidRequestException(f"Cluster id '{self.wanted[key]}' is not valid.")
        return found

    # Launching.

    def run_job_flow(self):
        request = self.wanted
        counts = self.checked(request)
        cluster = Cluster(self.world, request, counts)
        self.world.clusters[cluster.id] = cluster
        cluster.start()
        return ActionResult({"JobFlowId": cluster.id, "ClusterArn": self.arn(cluster)})

    def arn(self, cluster):
        return f"arn:aws:elasticmapreduce:{self.region}:{self.current_account}:cluster/{cluster.id}"

    def checked(self, request):
        """Refuses what EMR refuses in a request; gives how many instances each group has."""
        release = request.get("ReleaseLabel", "")
        if release not in self.backend.list_release_labels():
            raise ValidationException(f"The supplied release label is invalid: {release}.")
        instances = request["Instances"]
        groups, fleets = instances.get("InstanceGroups", []), instances.get("InstanceFleets", [])
        if groups and fleets:
            raise ValidationException("Instance fleets and instance groups are mutually exclusive. The EMR cluster specified in the request uses both.")
        if fleets:
            counts = [(f["InstanceFleetType"], f.get("TargetOnDemandCapacity", 0) + f.get("TargetSpotCapacity", 0)) for f in fleets]
            types = [config["InstanceType"] for fleet in fleets for config in fleet.get("InstanceTypeConfigs", [])]
        elif groups:
            counts = [(group["InstanceRole"], group["InstanceCount"]) for group in groups]
            types = [group["InstanceType"] for group in groups]
        else:
            counts = [("MASTER", 1), ("CORE", instances.get("InstanceCount", 1) - 1)]
            types = [instances[key] for key in GROUPS.values() if key in instances]
        if [role for role, _ in counts].count("MASTER") != 1 or not types:
            raise ValidationException("A cluster needs exactly one master instance group.")
        known = self.instance_types(release)
        for kind in types:
            if known and kind not in known:
                raise ValidationException(f"Instance type '{kind}' is not supported.")
        for step in request.get("Steps", []):
            self.check_step(step)
        self.check_roles(request)
        order = ["MASTER", "CORE", "TASK"]
        return sorted(counts, key=lambda pair: order.index(pair[0]))

    def instance_types(self, release):
        """Those that moto knows of this release; nothing if it knows none."""
        try:
            return {kind["Type"] for kind in self.backend.list_supported_instance_types(release)}
        except FileNotFoundError:
            return set()

    @staticmethod
    def check_step(step):
        jar = step["HadoopJarStep"]
        if sum(map(len, jar.get("Args", []))) > 10240:
            raise ValidationException("The step's arguments are longer than 10,240 characters.")

    def check_roles(self, request):
        """Only where somebody has made roles: without enforcement none are needed."""
        if not self.world.enforces:
            return
        iam = self.world.iam(self.current_account)
        service, profile = request.get("ServiceRole"), request.get("JobFlowRole")
        if not profile:
            raise ValidationException("InstanceProfile is required for creating cluster.")
        if not service or service.rpartition("/")[2] not in {role.name for role in iam.roles.values()}:
            raise ValidationException(f"{service} is invalid")
        if profile.rpartition("/")[2] not in {one.name for one in iam.instance_profiles.values()}:
            raise ValidationException(f"Invalid InstanceProfile: {profile}.")

    # Watching.

    def status(self, cluster):
        timeline = {"CreationDateTime": cluster.created, "ReadyDateTime": cluster.ready, "EndDateTime": cluster.ended}
        return {
            "State": cluster.state,
            "StateChangeReason": cluster.reason,
            "ErrorDetails": cluster.details,
            "Timeline": {key: value for key, value in timeline.items() if value},
        }

    def describe_cluster(self):
        cluster = self.cluster()
        request, instances = cluster.request, cluster.request["Instances"]
        described = {
            "Id": cluster.id,
            "Name": cluster.name,
            "Status": self.status(cluster),
            "ClusterArn": self.arn(cluster),
            "Tags": [{"Key": key, "Value": value} for key, value in cluster.tags.items()],
            "LogUri": request.get("LogUri"),
            "ReleaseLabel": request["ReleaseLabel"],
            "ServiceRole": request.get("ServiceRole"),
            "AutoTerminate": not cluster.keep,
            "TerminationProtected": cluster.protected,
            "VisibleToAllUsers": True,
            "Applications": request.get("Applications", []),
            "Ec2InstanceAttributes": {"IamInstanceProfile": cluster.role, "RequestedEc2SubnetIds": instances.get("Ec2SubnetIds", [])},
            "InstanceCollectionType": "INSTANCE_FLEET" if instances.get("InstanceFleets") else "INSTANCE_GROUP",
            "NormalizedInstanceHours": 0,
            "StepConcurrencyLevel": 1,
        }
        return ActionResult({"Cluster": {key: value for key, value in described.items() if value is not None}})

    def list_clusters(self):
        wanted = self.wanted.get("ClusterStates")
        found = [c for c in reversed(self.world.all_clusters()) if not wanted or c.state in wanted]
        found = [{"Id": c.id, "Name": c.name, "Status": self.status(c), "ClusterArn": self.arn(c)} for c in found]
        return ActionResult(self.page("Clusters", found, 50))

    def page(self, name, found, size):
        start = int(self.wanted.get("Marker") or 0)
        answer = {name: found[start : start + size]}
        return {**answer, "Marker": str(start + size)} if start + size < len(found) else answer

    def list_steps(self):
        ids, states = self.wanted.get("StepIds"), self.wanted.get("StepStates")
        found = [step for step in reversed(self.cluster().steps) if not ids or step.id in ids]
        return ActionResult(self.page("Steps", [step.described() for step in found if not states or step.state in states], 50))

    def describe_step(self):
        found = [step for step in self.cluster().steps if step.id == self.wanted["StepId"]]
        if not found:
            raise InvalidRequestException(f"Step id '{self.wanted['StepId']}' is not valid.")
        return ActionResult({"Step": found[0].described()})

    def list_instances(self):
        cluster = self.cluster()
        groups, fleet = self.wanted.get("InstanceGroupTypes"), self.wanted.get("InstanceFleetType")
        state = "TERMINATED" if cluster.state in ENDED else "RUNNING" if cluster.state != "STARTING" else "PROVISIONING"
        found = [
            {"Id": f"ci-{node.instance}", "Ec2InstanceId": node.instance, "Status": {"State": state}, "InstanceType": "m5.xlarge"}
            for node in cluster.nodes
            if (not groups or node.group in groups) and (not fleet or node.group == fleet)
        ]
        return ActionResult(self.page("Instances", found, 2000))

    def list_bootstrap_actions(self):
        actions = [
            {"Name": action["Name"], "ScriptPath": action["ScriptBootstrapAction"]["Path"], "Args": action["ScriptBootstrapAction"].get("Args", [])}
            for action in self.cluster().request.get("BootstrapActions", [])
        ]
        return ActionResult({"BootstrapActions": actions})

    # Steering.

    def add_job_flow_steps(self):
        cluster = self.cluster("JobFlowId")
        if cluster.ending or cluster.state in ENDED:
            raise ValidationException("A job flow that is shutting down, terminated, or finished may not be modified.")
        for step in self.wanted["Steps"]:
            self.check_step(step)
        return ActionResult({"StepIds": cluster.add_steps(self.wanted["Steps"])})

    def cancel_steps(self):
        answers = self.cluster().cancel(self.wanted["StepIds"], self.wanted.get("StepCancellationOption", "SEND_INTERRUPT"))
        return ActionResult({"CancelStepsInfoList": answers})

    def terminate_job_flows(self):
        found = []
        for cluster_id in self.wanted["JobFlowIds"]:
            if cluster_id not in self.world.clusters:
                raise InvalidRequestException(f"Cluster id '{cluster_id}' is not valid.")
            found.append(self.world.clusters[cluster_id])
        if any(cluster.protected for cluster in found):
            raise ValidationException("Could not shut down one or more job flows since they are termination protected.")
        for cluster in found:
            cluster.terminate()
        return EmptyResult()

    def set_termination_protection(self):
        for cluster_id in self.wanted["JobFlowIds"]:
            self.world.clusters[cluster_id].protected = self.wanted["TerminationProtected"]
        return EmptyResult()

    def set_keep_job_flow_alive_when_no_steps(self):
        for cluster_id in self.wanted["JobFlowIds"]:
            cluster = self.world.clusters[cluster_id]
            with cluster.changed:
                cluster.keep = self.wanted["KeepJobFlowAliveWhenNoSteps"]
        return EmptyResult()

    def put_auto_termination_policy(self):
        self.cluster().idle = self.wanted.get("AutoTerminationPolicy", {}).get("IdleTimeout")
        return EmptyResult()

    def add_tags(self):
        tags = {tag["Key"]: tag.get("Value", "") for tag in self.wanted["Tags"]}
        self.cluster("ResourceId").tags.update(tags)
        return EmptyResult()

    def remove_tags(self):
        for key in self.wanted["TagKeys"]:
            self.cluster("ResourceId").tags.pop(key, None)
        return EmptyResult()
