"""moto's Secrets Manager, and boto3 as a client of it that is independent of the service.

Prints the server's address as a JSON line, then answers each JSON line {"call", "arguments"} with the result of
that boto3 call. It ends with its standard input, so that it never outlives the tests.

begin_rotation is not a boto3 call: it does what Secrets Manager does before it calls a rotation function, and moto does
only together with a container for the function. It turns rotation on and makes an empty version, AWSPENDING.
"""

import json
import os
import sys

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
        if request["call"] == "begin_rotation":
            answer = begin_rotation(**arguments)
        else:
            answer = getattr(client, request["call"])(**arguments)
        print(json.dumps({"answer": answer}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
os._exit(0)
