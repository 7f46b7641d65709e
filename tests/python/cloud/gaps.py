"""What moto's CloudFormation does not make, made by moto's own services: so that a stack in the tests has every one of
its resources. `fill()` comes before the first stack.
"""

import json
import re
import uuid

from moto.awslambda import models as awslambda
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend, Stack, cloudformation_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends, security_groups
from moto.ecs import models as ecs
from moto.elbv2 import models as elbv2
from moto.iam import models as iam
from moto.kms import models as kms
from moto.logs import models as logs
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends

# The schedules of rotation by the secret's ARN: moto keeps days only.
schedules = {}


def without_nothing(value):
    """AWS::NoValue takes an item out of a list; moto leaves None."""
    if isinstance(value, list):
        return [without_nothing(item) for item in value if item is not None]
    if isinstance(value, dict):
        return {name: without_nothing(item) for name, item in value.items()}
    return value


class Made(CloudFormationModel):
    """A resource, its name, and how it is taken away again."""

    def __init__(self, name, remove, attributes=None):
        self.physical_resource_id = name
        self.remove = remove
        self.attributes = attributes or {}

    @classmethod
    def has_cfn_attr(cls, attr):
        return True

    def get_cfn_attribute(self, name):
        return self.attributes[name]

    def delete(self, account, region):
        self.remove()

    @classmethod
    def create_from_cloudformation_json(cls, name, document, account, region, **kwargs):
        properties = document.get("Properties", {})
        return cls.make(properties, account, region)

    @classmethod
    def update_from_cloudformation_json(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        properties = cloudformation_json.get("Properties", {})
        return cls.change(original_resource, properties, account_id, region_name)

    @classmethod
    def change(cls, original, properties, account, region):
        original.remove()
        return cls.make(properties, account, region)


class Secret(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::Secret"

    @classmethod
    def make(cls, properties, account, region):
        backend = secretsmanager_backends[account][region]
        name = properties["Name"]
        assert name not in backend.secrets, f"{name} exists"
        made = backend.create_secret(
            name=name,
            secret_string=None,
            secret_binary=None,
            description=properties.get("Description"),
            tags=None,
            kms_key_id=properties.get("KmsKeyId"),
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )
        arn = json.loads(made)["ARN"]
        # CloudFormation leaves no days to restore it.
        return cls(arn, lambda: backend.delete_secret(arn, None, True), {"Id": arn})

    @classmethod
    def change(cls, original, properties, account, region):
        # Its name is all that cannot change without another secret.
        name = secretsmanager_backends[account][region].secrets[original.physical_resource_id].name
        assert name == properties["Name"], "a secret of another name would be made"
        return original


class SecretPolicy(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::ResourcePolicy"

    @classmethod
    def make(cls, properties, account, region):
        backend = secretsmanager_backends[account][region]
        secret = properties["SecretId"]
        backend.put_resource_policy(secret, json.dumps(without_nothing(properties["ResourcePolicy"])))
        return cls(secret, lambda: backend.delete_resource_policy(secret))


class RotationSchedule(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::SecretsManager::RotationSchedule"

    @classmethod
    def make(cls, properties, account, region):
        # Not by moto's rotate_secret, which wants a container to run the function in.
        arn = properties["SecretId"]
        secret = secretsmanager_backends[account][region].secrets[arn]
        secret.rotation_requested = secret.rotation_enabled = True
        secret.rotation_lambda_arn = properties["RotationLambdaARN"]
        schedules[arn] = properties

        def remove():
            secret.rotation_enabled = False
            schedules.pop(arn)

        return cls(arn, remove)


class MetricFilter(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::Logs::MetricFilter"

    @classmethod
    def make(cls, properties, account, region):
        backend = logs.logs_backends[account][region]
        group = properties["LogGroupName"]
        assert group in backend.groups, f"log group {group} does not exist"
        metrics = [
            {"metricName": m["MetricName"], "metricNamespace": m["MetricNamespace"], "metricValue": m["MetricValue"]}
            for m in properties["MetricTransformations"]
        ]
        # CloudFormation gives a name that no other filter has.
        name = f"{metrics[0]['metricName']}-{uuid.uuid4().hex[:12]}"
        backend.put_metric_filter(name, properties["FilterPattern"], group, metrics)
        return cls(name, lambda: backend.delete_metric_filter(name, group))


class Alarm(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def make(cls, properties, account, region):
        backend = cloudwatch_backends[account][region]
        name = properties["AlarmName"]
        backend.put_metric_alarm(
            name=name,
            namespace=properties["Namespace"],
            metric_name=properties["MetricName"],
            comparison_operator=properties["ComparisonOperator"],
            evaluation_periods=int(properties["EvaluationPeriods"]),
            datapoints_to_alarm=int(properties.get("DatapointsToAlarm", properties["EvaluationPeriods"])),
            period=int(properties["Period"]),
            threshold=float(properties["Threshold"]),
            statistic=properties["Statistic"],
            description=properties["AlarmDescription"],
            dimensions=properties.get("Dimensions", []),
            alarm_actions=properties["AlarmActions"],
            ok_actions=properties.get("OKActions"),
            treat_missing_data=properties["TreatMissingData"],
        )
        return cls(name, lambda: backend.delete_alarms([name]))


class TopicPolicy(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::SNS::TopicPolicy"

    @classmethod
    def make(cls, properties, account, region):
        backend = sns_backends[account][region]
        topics = [backend.topics[arn] for arn in properties["Topics"]]
        for topic in topics:
            topic.policy = json.dumps(properties["PolicyDocument"])
        return cls(topics[0].arn, lambda: None)


class Subscription(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::SNS::Subscription"

    @classmethod
    def make(cls, properties, account, region):
        backend = sns_backends[account][region]
        made = backend.subscribe(properties["TopicArn"], properties["Endpoint"], properties["Protocol"])
        return cls(made.arn, lambda: backend.unsubscribe(made.arn))


GAPS = [Secret, SecretPolicy, RotationSchedule, MetricFilter, Alarm, TopicPolicy, Subscription]


def fill(more=()):
    """moto asks for the direct subclasses of its model, once."""
    have = {model.cloudformation_type() for model in parsing.get_model_list()}
    gaps = [*GAPS, *more]
    known = {gap.cloudformation_type() for gap in gaps}
    assert not known & have, f"moto makes {known & have} by itself now: take them out of here"
    direct = parsing.get_model_list() + gaps
    parsing.get_model_list.cache_clear()
    parsing.get_model_list = lambda: direct
    parsing.get_model_map.cache_clear()
    parsing.get_name_type_map.cache_clear()

    mend()


def mend():
    """What moto's CloudFormation makes with something left out."""

    # Keeps a key's policy as it stands in the template, and then wants its text.
    def make_key(name, document, account, region, original=kms.Key.create_from_cloudformation_json, **kwargs):
        properties = document["Properties"]
        policy = json.dumps(without_nothing(properties["KeyPolicy"]))
        document = {**document, "Properties": {**properties, "KeyPolicy": policy}}
        return original(name, document, account, region, **kwargs)

    kms.Key.create_from_cloudformation_json = make_key

    # Leaves the roles of a task and its size out.
    def make_task(name, document, account, region, original=ecs.TaskDefinition.create_from_cloudformation_json, **kwargs):
        task = original(name, document, account, region, **kwargs)
        task.task_role_arn = document["Properties"]["TaskRoleArn"]
        task.execution_role_arn = document["Properties"]["ExecutionRoleArn"]
        task.cpu, task.memory = document["Properties"]["Cpu"], document["Properties"]["Memory"]
        task.runtime_platform = {"cpuArchitecture": document["Properties"]["RuntimePlatform"]["CpuArchitecture"]}
        return task

    ecs.TaskDefinition.create_from_cloudformation_json = make_task

    # Makes the new revision with members that ECS does not know, and leaves the service with the old one.
    def change_task(original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        task = make_task(new_resource_name, cloudformation_json, account_id, region_name)
        for service in ecs.ecs_backends[account_id][region_name].services.values():
            if service.task_definition == original_resource.arn:
                service.task_definition = task.arn
        return task

    ecs.TaskDefinition.update_from_cloudformation_json = change_task

    # Leaves the type of a load balancer out, and refuses TCP then.
    def make_balancer(name, document, account, region, **kwargs):
        properties = document["Properties"]
        return elbv2.elbv2_backends[account][region].create_load_balancer(
            name,
            properties["SecurityGroups"],
            properties["Subnets"],
            scheme=properties["Scheme"],
            loadbalancer_type=properties["Type"],
        )

    elbv2.FakeLoadBalancer.create_from_cloudformation_json = make_balancer

    # Keeps what is None of a list, and leaves out what a group may reach: then that is everything.
    def make_group(name, document, account, region, original=security_groups.SecurityGroup.create_from_cloudformation_json, **kwargs):
        document = without_nothing(document)
        group = original(name, document, account, region, **kwargs)
        egress = document["Properties"].get("SecurityGroupEgress")
        if egress:
            group.egress_rules.clear()
        for rule in egress or []:
            ec2_backends[account][region].authorize_security_group_egress(
                group_name_or_id=group.id,
                ip_protocol=rule["IpProtocol"],
                from_port=str(rule["FromPort"]),
                to_port=str(rule["ToPort"]),
                ip_ranges=[{"CidrIp": rule["CidrIp"]}] if "CidrIp" in rule else [],
                source_groups=[{"GroupId": rule["DestinationSecurityGroupId"]}] if "DestinationSecurityGroupId" in rule else [],
                prefix_list_ids=[{"PrefixListId": rule["DestinationPrefixListId"]}] if "DestinationPrefixListId" in rule else [],
                vpc_id=group.vpc_id,
            )
        return group

    security_groups.SecurityGroup.create_from_cloudformation_json = make_group

    # Does not show the exports of other stacks to one that a change set makes.
    def map_resources(self, original=Stack._create_resource_map):
        backend = cloudformation_backends[self.account_id][self.region_name]
        self.cross_stack_resources = self.cross_stack_resources or backend.exports
        return original(self)

    Stack._create_resource_map = map_resources

    # Does not tell other stacks of what one exports that a change set has made.
    def execute(self, *args, original=CloudFormationBackend.execute_change_set, **kwargs):
        original(self, *args, **kwargs)
        # One that was rolled back has no template any more.
        for stack in [stack for stack in self.stacks.values() if stack.status.endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE"))]:
            stack._parse_template()
            stack.output_map = stack._create_output_map()
            self.exports.update({export.name: export for export in stack.exports})

    CloudFormationBackend.execute_change_set = execute

    # Lists a resource whose condition does not hold as None, and stumbles over it.
    def stack_resources(self):
        return [resource for resource in self.resource_map.values() if resource]

    Stack.stack_resources = property(stack_resources)

    # Has no full names: what follows `loadbalancer/` in an ARN, or begins with `targetgroup/`.
    def with_full_name(model):
        original = getattr(model, "get_cfn_attribute", None)

        def attribute(self, name):
            if not name.endswith("FullName"):
                return original(self, name)
            return self.arn.split(":", 5)[5].removeprefix("loadbalancer/")

        model.get_cfn_attribute = attribute
        model.has_cfn_attr = lambda name: True

    # Loses a resource in an update that its model does not know.
    def unchanged(original_resource, **kwargs):
        return original_resource

    for model in (awslambda.Permission, elbv2.FakeLoadBalancer, elbv2.FakeTargetGroup):
        model.update_from_cloudformation_json = unchanged

    def change_key(original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        policy = without_nothing(cloudformation_json["Properties"]["KeyPolicy"])
        original_resource.policy = json.dumps(policy)
        return original_resource

    kms.Key.update_from_cloudformation_json = change_key

    def change_log(original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        original_resource.set_retention_policy(cloudformation_json["Properties"]["RetentionInDays"])
        return original_resource

    logs.LogGroup.update_from_cloudformation_json = change_log

    # Leaves the boundary of a role out.
    def change_role(original_resource, original=iam.Role.update_from_cloudformation_json, **kwargs):
        role = original(original_resource, **kwargs)
        role.permissions_boundary_arn = kwargs["cloudformation_json"]["Properties"].get("PermissionsBoundary")
        return role

    iam.Role.update_from_cloudformation_json = change_role

    # Keeps the policies of a role as Python's values, which nobody can put again.
    def make_role(*arguments, original=iam.Role.create_from_cloudformation_json, **kwargs):
        role = original(*arguments, **kwargs)
        policies = [(name, json.loads(p) if isinstance(p, str) else p) for name, p in role.policies.items()]
        role.policies = {name: json.dumps(without_nothing(policy)) for name, policy in policies}
        return role

    iam.Role.create_from_cloudformation_json = make_role

    # Updates a resource whose condition does not hold, which is not there.
    def update(logical_id, resource_json, resources_map, original=parsing.parse_and_update_resource, **kwargs):
        return original(logical_id, resource_json, resources_map, **kwargs) if resources_map[logical_id] else None

    parsing.parse_and_update_resource = update

    with_full_name(elbv2.FakeLoadBalancer)
    with_full_name(elbv2.FakeTargetGroup)

    # Splits the lists among the parameters that an update leaves as they are, although they are split already.
    def load_parameters(self, original=parsing.ResourceMap.load_parameters):
        given = self.input_parameters.items()
        self.input_parameters = {name: ",".join(v) if isinstance(v, list) else v for name, v in given}
        original(self)

    parsing.ResourceMap.load_parameters = load_parameters

    # Does not see that a resource changes with a parameter that is named in Fn::Sub.
    def references(template, original=parsing.get_references_from_template):
        return [*original(template), *re.findall(r"\$\{(\w+)\}", json.dumps(template))]

    parsing.get_references_from_template = references
