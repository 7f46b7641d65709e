"""AWS on loopback: moto with CloudFormation, and a guard before Secrets Manager that holds the policies of the stacks.

Prints the server's address as a JSON line, then answers each JSON line {"call", "arguments"}: `service.operation` of boto3
as an administrator whom nothing stops, or one of the functions below. It ends with its standard input.

The guard knows a caller by the access key id, `stack.Role` (the logical id of a role in a stack), takes the policies from
what CloudFormation made in moto, and refuses as AWS does. moto itself knows no resources in policies.
"""

import ast
import functools
import io
import json
import os
import sys
import threading

# moto wants its models in a package.
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import boto3
from cloud import gaps, policies, retained
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.serving import make_server

REGION = "eu-central-1"
# What Secrets Manager asks of the KMS key for the caller (AWS, "Permissions for the KMS key").
VALUES = {"GetSecretValue": ["kms:Decrypt"], "PutSecretValue": ["kms:GenerateDataKey", "kms:Decrypt"]}
asked = []


def identity(caller):
    """The policies of a role of a stack; `administrator` may do anything that no resource forbids."""
    if caller == "administrator":
        everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        return f"arn:aws:iam::{ACCOUNT}:role/administrator", [everything]
    stack, role = caller.split(".")
    found = client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=role)
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    iam = client("iam")
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert not attached, f"{role} has {attached}, which nobody looks at here"
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=name, PolicyName=n)["PolicyDocument"] for n in names]
    return iam.get_role(RoleName=name)["Role"]["Arn"], [as_document(d) for d in documents]


def as_document(policy):
    """moto's CloudFormation keeps a role's policies as Python's text of a dict."""
    return gaps.without_nothing(ast.literal_eval(policy) if isinstance(policy, str) else policy)


def may(caller, action, resource, secure=True):
    """Whether a role may make a call."""
    return allows(*identity(caller), action, resource, secure)


def allowed(caller, actions, resources):
    """Those of the calls that a role may make."""
    arn, own = identity(caller)
    return [[a, r] for a in actions for r in resources if allows(arn, own, a, r)]


def allows(arn, own, action, resource, secure=True):
    """For a value of a secret, the KMS key has its say, too."""
    context = {"aws:PrincipalArn": arn, "aws:SecureTransport": str(secure).lower()}
    secrets = secretsmanager_backends[ACCOUNT][REGION].secrets
    # moto finds a secret by a part of its ARN; here only the whole counts.
    secret = next((s for s in secrets.values() if s.arn == resource), None)
    on_secret = [json.loads(secret.policy)] if secret and secret.policy else []
    if not policies.identity_allows(own, on_secret, action, resource, context):
        return False
    if not secret or not secret.kms_key_id:
        return True
    context["kms:ViaService"] = f"secretsmanager.{REGION}.amazonaws.com"
    context["kms:EncryptionContext:SecretARN"] = resource
    needed = VALUES.get(action.removeprefix("secretsmanager:"), [])
    return all(may_use_key(own, secret.kms_key_id, kms_action, context) for kms_action in needed)


def may_use_key(own, key, action, context):
    backend = kms_backends[ACCOUNT][REGION]
    policy = backend.get_key_policy(key.split("/")[-1])
    return policies.key_allows(own, json.loads(policy), action, key, context)


def may_decrypt(caller, key, context):
    """kms:Decrypt itself, in a context that the caller chooses."""
    arn, own = identity(caller)
    return may_use_key(own, key, "kms:Decrypt", {"aws:PrincipalArn": arn, **context})


def may_become(stack, role, context):
    """Whether a principal may assume a role, by its trust policy."""
    found = client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=role)
    name = found["StackResourceDetail"]["PhysicalResourceId"]
    trust = client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    found = policies.effects([as_document(trust)], "sts:AssumeRole", "*", context, policies.principal_holds)
    return found == {"Allow"}


def decide(identity_policies, resource_policies, action, resource, context):
    """The evaluator itself, for known cases."""
    return policies.identity_allows(identity_policies, resource_policies, action, resource, context)


def decide_key(identity_policies, key_policy, action, resource, context):
    """The same for a KMS key."""
    return policies.key_allows(identity_policies, key_policy, action, resource, context)


def begin_rotation(secret, token):
    """What Secrets Manager does before it calls the function; moto does it only together with a container."""
    secret = secretsmanager_backends[ACCOUNT][REGION].secrets[secret]
    secret.remove_version_stages_from_old_versions(["AWSPENDING"])
    secret.versions[token] = {"createdate": 0, "version_id": token, "version_stages": ["AWSPENDING"]}


def schedule(secret):
    return gaps.schedules.get(secret)


def calls():
    """What was asked of the guard since the last time: caller, action, whether it was allowed."""
    made, asked[:] = list(asked), []
    return made


def guard(inner):
    """WSGI: refuses calls to Secrets Manager that the caller's policies do not allow."""

    def application(environ, start_response):
        action = environ.get("HTTP_X_AMZ_TARGET", "")
        caller = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]
        if not action.startswith("secretsmanager.") or caller == "root":
            return inner(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        action = action.removeprefix("secretsmanager.")
        request = json.loads(body)
        named = request.get("SecretId", request.get("Name"))
        known = secretsmanager_backends[ACCOUNT][REGION].secrets.get(named)
        resource = known.arn if known else f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{named}"
        allowed = may(caller, f"secretsmanager:{action}", resource)
        asked.append([caller, action, allowed])
        if allowed:
            return inner(environ, start_response)
        answer = json.dumps({"__type": "AccessDeniedException", "Message": f"{caller} may not {action}"}).encode()
        headers = [("content-type", "application/x-amz-json-1.1"), ("content-length", str(len(answer)))]
        start_response("400 Bad Request", headers)
        return [answer]

    return application


@functools.cache
def client(service):
    return boto3.client(
        service,
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id="root",
        aws_secret_access_key="root",
    )


gaps.fill()
retained.mend()
application = guard(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
address = f"http://127.0.0.1:{server.server_address[1]}"
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"address": address}), flush=True)

OWN = {f.__name__: f for f in (may, allowed, may_decrypt, may_become, decide, decide_key, begin_rotation, schedule, calls)}
for line in sys.stdin:
    request = json.loads(line)
    call, arguments = request["call"], request["arguments"]
    try:
        if call in OWN:
            answer = OWN[call](**arguments)
        else:
            service, operation = call.split(".")
            answer = getattr(client(service), operation)(**arguments)
        print(json.dumps({"answer": answer}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
os._exit(0)
