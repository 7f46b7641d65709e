"""moto's Secrets Manager, and boto3 as a client of it that is independent of the service.

Prints the server's address as a JSON line, then answers each JSON line {"call", "arguments"} with the result of
that boto3 call. It ends with its standard input, so that it never outlives the tests.

begin_rotation, attempt_rotation and end_rotation are no boto3 calls: they do what Secrets Manager does before and after it calls a
rotation function, and moto does only together with a container for the function (AWS, RotateSecret, and the events of CloudTrail).
"""

import json
import os
import sys
import uuid

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.secretsmanager.models import secretsmanager_backends
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"address": f"{host}:{port}"}), flush=True)

client = boto3.client(
    "secretsmanager",
    endpoint_url=f"http://{host}:{port}",
    region_name=REGION,
    aws_access_key_id="operator",
    aws_secret_access_key="operator",
)


def labelled(secret, label):
    versions = secret.versions.values()
    return next((v["version_id"] for v in versions if label in v["version_stages"]), None)


def attempt_rotation(SecretId):
    """A rotation by the schedule: where AWSPENDING is on another version than AWSCURRENT, the last one is not complete, and is tried
    again under its token. Gives the token."""
    secret = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets[SecretId]
    secret.rotation_requested = secret.rotation_enabled = True
    pending = labelled(secret, "AWSPENDING")
    if pending and pending != labelled(secret, "AWSCURRENT"):
        return pending
    token = str(uuid.uuid4())
    begin_rotation(SecretId, token)
    return token


def end_rotation(SecretId):
    """Takes AWSPENDING from the version that was promoted, and says whether the next rotation can begin."""
    secret = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets[SecretId]
    pending = labelled(secret, "AWSPENDING")
    if pending and pending == labelled(secret, "AWSCURRENT"):
        secret.versions[pending]["version_stages"].remove("AWSPENDING")
        pending = None
    return pending is None


def begin_rotation(SecretId, ClientRequestToken):
    secret = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets[SecretId]
    secret.rotation_requested = secret.rotation_enabled = True
    secret.remove_version_stages_from_old_versions(["AWSPENDING"])
    version = {"createdate": 0, "version_id": ClientRequestToken, "version_stages": ["AWSPENDING"]}
    secret.versions[ClientRequestToken] = version


for line in sys.stdin:
    request = json.loads(line)
    arguments = request["arguments"]
    if "SecretBinary" in arguments:
        arguments["SecretBinary"] = arguments["SecretBinary"].encode()
    try:
        own = {f.__name__: f for f in (begin_rotation, attempt_rotation, end_rotation)}
        if request["call"] in own:
            answer = own[request["call"]](**arguments)
        else:
            answer = getattr(client, request["call"])(**arguments)
        print(json.dumps({"answer": answer}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
os._exit(0)
