"""Has a checkpoint signed, verifies it, and shows how a refusal is read.

Once, in the folder above examples/ and proto/ (the stubs are generated beside this file):

    python3 -m venv examples/python/.venv
    examples/python/.venv/bin/pip install -r examples/python/requirements.txt
    examples/python/.venv/bin/python -m grpc_tools.protoc -I proto --python_out=examples/python \\
        --grpc_python_out=examples/python proto/amply/checkpoint/v1/*.proto

Then, where HOST:PORT may also stand in CHECKPOINT_SIGNER_SERVER:

    examples/python/.venv/bin/python examples/python/client.py CHECKPOINT.json [HOST:PORT]
"""

import json
import os
import sys

import grpc
from google.protobuf import json_format
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from amply.checkpoint.v1.checkpoint_pb2 import Checkpoint
from amply.checkpoint.v1.signing_service_pb2 import SignCheckpointRequest
from amply.checkpoint.v1.signing_service_pb2_grpc import SigningServiceStub
from amply.checkpoint.v1.verification_service_pb2 import VerdictKind, VerifyCheckpointRequest
from amply.checkpoint.v1.verification_service_pb2_grpc import VerificationServiceStub

SECONDS = 10  # A call that hangs must end. A retry is safe: it gets the same signature.
FIELDS = {field.name for field in Checkpoint.DESCRIPTOR.fields} - {"additional_members"}


def to_message(checkpoint: dict) -> Checkpoint:
    """Builds the message from the JSON object as it will be published.

    ParseDict reads the timestamp into a Timestamp and each summary into a Struct. Members that have no
    field of their own are signed just the same: they go into additional_members.
    """
    message = {name: value for name, value in checkpoint.items() if name in FIELDS}
    message["additional_members"] = {n: v for n, v in checkpoint.items() if n not in FIELDS}
    return json_format.ParseDict(message, Checkpoint())


def reason(error: grpc.RpcError) -> str:
    """The reason of a refusal, a stable name such as EQUIVOCATION; error.details() is the sentence."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        info = ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return error.code().name  # Nobody answered, so there are no details.


def main(path: str, server: str) -> None:
    with open(path, encoding="utf-8") as file:
        checkpoint = to_message(json.load(file))
    with grpc.insecure_channel(server.removeprefix("http://")) as channel:
        signing = SigningServiceStub(channel)
        verification = VerificationServiceStub(channel)

        answer = signing.SignCheckpoint(SignCheckpointRequest(checkpoint=checkpoint), timeout=SECONDS)
        published = answer.signed_checkpoint.published_json
        print(published)  # Upload it as it is.

        request = VerifyCheckpointRequest(published_json=published)
        verdict = verification.VerifyCheckpoint(request, timeout=SECONDS).verdict
        print(f"{VerdictKind.Name(verdict.kind)}: {verdict.explanation}")

        # A second history: the same checkpoint with another sum. The service refuses it, for ever.
        checkpoint.total_volume += 1
        try:
            signing.SignCheckpoint(SignCheckpointRequest(checkpoint=checkpoint), timeout=SECONDS)
        except grpc.RpcError as error:
            print(f"refused: {reason(error)}: {error.details()}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if len(arguments) == 1 and "CHECKPOINT_SIGNER_SERVER" in os.environ:
        arguments.append(os.environ["CHECKPOINT_SIGNER_SERVER"])
    if len(arguments) != 2:
        sys.exit(__doc__)
    try:
        main(*arguments)
    except grpc.RpcError as error:
        sys.exit(f"refused: {reason(error)}: {error.details()}")
