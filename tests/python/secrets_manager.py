"""moto's Secrets Manager, and boto3 as a client of it that is independent of the service.

Prints the server's address as a JSON line, then answers each JSON line {"call", "arguments"} with the result of
that boto3 call. It ends with its standard input, so that it never outlives the tests.
"""

import json
import os
import sys

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(json.dumps({"address": f"{host}:{port}"}), flush=True)

client = boto3.client(
    "secretsmanager",
    endpoint_url=f"http://{host}:{port}",
    region_name="eu-central-1",
    aws_access_key_id="operator",
    aws_secret_access_key="operator",
)
for line in sys.stdin:
    request = json.loads(line)
    arguments = request["arguments"]
    if "SecretBinary" in arguments:
        arguments["SecretBinary"] = arguments["SecretBinary"].encode()
    try:
        answer = getattr(client, request["call"])(**arguments)
        print(json.dumps({"answer": answer}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
os._exit(0)
