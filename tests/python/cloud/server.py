"""AWS on loopback: moto with CloudFormation, and a guard before Secrets Manager that holds the policies of the stacks.

Prints the server's address as a JSON line, then answers each JSON line {"call", "arguments"}: `service.operation` of boto3
as an administrator whom nothing stops, or one of the functions below. It ends with its standard input.

The guard knows a caller by the access key id, `stack.Role` (the logical id of a role in a stack), takes the policies from
what CloudFormation made in moto, and refuses as AWS does. moto itself knows no resources in policies. Other callers are
`role:NAME`, `administrator`, `stack.Role@REGION`: a role of a stack in another region than the usual one, and
`stack.Role@elsewhere`: a role of a function, in another function. `service.operation@REGION` is a call in another region.
"""

import ast
import functools
import io
import json
import os
import sys
import threading
import uuid

# moto wants its models in a package.
sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import boto3
from cloud import function, gaps, policies, retained
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.kms.models import kms_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.serving import make_server

REGION = "eu-central-1"
# What Secrets Manager asks of the KMS key for the caller (AWS, "Permissions for the KMS key").
VALUES = {"GetSecretValue": ["kms:Decrypt"], "PutSecretValue": ["kms:GenerateDataKey", "kms:Decrypt"]}
asked = []


def of_stack(caller):
    """The region, the stack and the role of a caller, `stack.Role@REGION`."""
    role, _, region = caller.partition("@")
    return (REGION if region in ("", "elsewhere") else region, *role.split("."))


def region_of(arn):
    """The region of what an ARN names."""
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 and parts[3] else REGION


def physical(region, stack, name):
    """The name of a stack's resource. (moto loses its way among those whose condition does not hold, when it is asked for one.)"""
    resources = client("cloudformation", region).describe_stack_resources(StackName=stack)["StackResources"]
    return next(r["PhysicalResourceId"] for r in resources if r.get("LogicalResourceId") == name)


def identity(caller):
    """The policies of a role; `administrator` may do anything that no resource forbids."""
    if caller == "administrator":
        everything = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        return f"arn:aws:iam::{ACCOUNT}:role/administrator", [everything]
    kind, _, name = caller.partition(":")
    if kind != "role":
        name = physical(*of_stack(caller))
    iam = client("iam")
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert not attached, f"{name} has {attached}, which nobody looks at here"
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=name, PolicyName=n)["PolicyDocument"] for n in names]
    return iam.get_role(RoleName=name)["Role"]["Arn"], [as_document(d) for d in documents]


def context_of(caller, more=None):
    """What a request says of its caller. That it comes from a function's code, Lambda says (AWS, "Using source function ARN")."""
    context = {"aws:PrincipalArn": identity(caller)[0], "aws:SecureTransport": "true", **(more or {})}
    if caller.partition("@")[0].endswith(".RotationRole"):
        region = of_stack(caller)[0]
        # The function is named as its role is, without the region.
        name = "another" if caller.endswith("@elsewhere") else context["aws:PrincipalArn"].rpartition("/")[2].removesuffix(f"-{region}")
        context["lambda:SourceFunctionArn"] = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"
    return context


def as_document(policy):
    """moto's CloudFormation keeps a role's policies as Python's text of a dict."""
    return gaps.without_nothing(ast.literal_eval(policy) if isinstance(policy, str) else policy)


def may(caller, action, resource, context=None):
    """Whether a role may make a call; the context is what the request says besides."""
    return allows(identity(caller)[1], action, resource, context_of(caller, context))


def allowed(caller, actions, resources):
    """Those of the calls that a role may make."""
    own, context = identity(caller)[1], context_of(caller)
    return [[a, r] for a in actions for r in resources if allows(own, a, r, context)]


def allows(own, action, resource, context):
    """For a value of a secret, the KMS key has its say, too."""
    if action.startswith("kms:") and resource != "*":
        return may_use_key(own, resource, action, context)
    if resource == "*":
        return policies.identity_allows(own, [], action, resource, context)
    region = region_of(resource)
    secrets = secretsmanager_backends[ACCOUNT][region].secrets
    # moto finds a secret by a part of its ARN; here only the whole counts.
    secret = next((s for s in secrets.values() if s.arn == resource), None)
    on_secret = [json.loads(secret.policy)] if secret and secret.policy else []
    if not policies.identity_allows(own, on_secret, action, resource, context):
        return False
    if not secret or not secret.kms_key_id:
        return True
    through = {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com", "kms:EncryptionContext:SecretARN": resource}
    needed = VALUES.get(action.removeprefix("secretsmanager:"), [])
    return all(may_use_key(own, secret.kms_key_id, kms_action, {**context, **through}) for kms_action in needed)


def may_use_key(own, key, action, context):
    backend = kms_backends[ACCOUNT][region_of(key)]
    key_id = key.split("/")[-1]
    if key_id not in backend.keys:
        return policies.identity_allows(own, [], action, key, context)
    policy = gaps.without_nothing(json.loads(backend.get_key_policy(key_id)))
    return policies.key_allows(own, policy, action, key, context)


def may_decrypt(caller, key, context):
    """kms:Decrypt itself, in a context that the caller chooses."""
    return may_use_key(identity(caller)[1], key, "kms:Decrypt", {**context_of(caller), **context})


def may_become(stack, role, context):
    """Whether a principal may assume a role, by its trust policy."""
    trust = client("iam").get_role(RoleName=physical(REGION, stack, role))["Role"]["AssumeRolePolicyDocument"]
    found = policies.effects([as_document(trust)], "sts:AssumeRole", "*", context, policies.principal_holds)
    return found == {"Allow"}


def decide(identity_policies, resource_policies, action, resource, context):
    """The evaluator itself, for known cases."""
    return policies.identity_allows(identity_policies, resource_policies, action, resource, context)


def decide_key(identity_policies, key_policy, action, resource, context):
    """The same for a KMS key."""
    return policies.key_allows(identity_policies, key_policy, action, resource, context)


def labelled(secret, label):
    versions = secret.versions.values()
    return next((v["version_id"] for v in versions if label in v["version_stages"]), None)


def attempt_rotation(secret):
    """A rotation by the schedule: where AWSPENDING is on another version than AWSCURRENT, the last one is not complete, and is tried
    again under its token. Gives the token."""
    found = secretsmanager_backends[ACCOUNT][REGION].secrets[secret]
    pending = labelled(found, "AWSPENDING")
    if pending and pending != labelled(found, "AWSCURRENT"):
        return pending
    token = str(uuid.uuid4())
    begin_rotation(secret, token)
    return token


def end_rotation(secret):
    """Takes AWSPENDING from the version that was promoted, and says whether the next rotation can begin."""
    secret = secretsmanager_backends[ACCOUNT][REGION].secrets[secret]
    pending = labelled(secret, "AWSPENDING")
    if pending and pending == labelled(secret, "AWSCURRENT"):
        secret.versions[pending]["version_stages"].remove("AWSPENDING")
        pending = None
    return pending is None


def begin_rotation(secret, token):
    """What Secrets Manager does before it calls the function; moto does it only together with a container."""
    secret = secretsmanager_backends[ACCOUNT][REGION].secrets[secret]
    secret.remove_version_stages_from_old_versions(["AWSPENDING"])
    secret.versions[token] = {"createdate": 0, "version_id": token, "version_stages": ["AWSPENDING"]}


def schedule(secret):
    return gaps.schedules.get(secret)


def add_role(name, statements):
    """A role that no stack here has made, with one policy."""
    iam = client("iam")
    trust = {"Statement": {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    policy = {"Version": "2012-10-17", "Statement": statements}
    iam.put_role_policy(RoleName=name, PolicyName="its-own", PolicyDocument=json.dumps(policy))


def code_signing():
    """What every function of the stacks is signed by."""
    return list(function.signing.values())


def update_code(name, bucket=None, key=None, version=None):
    return function.update_code(ACCOUNT, REGION, name, bucket, key, version)


def calls():
    """What was asked of the guard since the last time: caller, action, whether it was allowed."""
    made, asked[:] = list(asked), []
    return made


def guard(inner):
    """WSGI: refuses calls to Secrets Manager that the caller's policies do not allow."""

    def application(environ, start_response):
        action = environ.get("HTTP_X_AMZ_TARGET", "")
        caller, _, region = (environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split("/") + ["", "", ""])[:3]
        if not action.startswith("secretsmanager.") or caller == "root":
            return inner(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        action = action.removeprefix("secretsmanager.")
        request = json.loads(body)
        named = request.get("SecretId", request.get("Name"))
        known = secretsmanager_backends[ACCOUNT][region].secrets.get(named)
        # A list is of no secret.
        unknown = f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{named}" if named else "*"
        resource = known.arn if known else unknown
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
def client(service, region=REGION):
    return boto3.client(
        service,
        endpoint_url=address,
        region_name=region,
        aws_access_key_id="root",
        aws_secret_access_key="root",
    )


gaps.fill([function.CodeSigningConfig])
function.mend()
retained.mend()
application = guard(DomainDispatcherApplication(create_backend_app))
server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
address = f"http://127.0.0.1:{server.server_address[1]}"
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"address": address}), flush=True)

ROTATION = (add_role, begin_rotation, attempt_rotation, end_rotation, schedule, code_signing, update_code)
OWN = {f.__name__: f for f in (may, allowed, may_decrypt, may_become, decide, decide_key, calls, *ROTATION)}
for line in sys.stdin:
    request = json.loads(line)
    call, arguments = request["call"], request["arguments"]
    try:
        if call in OWN:
            answer = OWN[call](**arguments)
        else:
            called, _, region = call.partition("@")
            service, operation = called.split(".")
            answer = getattr(client(service, region or REGION), operation)(**arguments)
        print(json.dumps({"answer": answer}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
os._exit(0)
