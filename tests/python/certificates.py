"""Clients with certificates as Python's gRPC makes them, against a service that asks for one.

    python certificates.py HOST:PORT FOLDER
"""

import pathlib
import sys

import grpc

from amply.checkpoint.v1 import checkpoint_pb2 as messages
from amply.checkpoint.v1 import key_service_pb2 as key
from amply.checkpoint.v1 import key_service_pb2_grpc as key_grpc
from amply.checkpoint.v1 import record_service_pb2 as record
from amply.checkpoint.v1 import record_service_pb2_grpc as record_grpc
from amply.checkpoint.v1 import signing_service_pb2 as signing
from amply.checkpoint.v1 import signing_service_pb2_grpc as signing_grpc

DEADLINE = 20
FINE = None
NO = grpc.StatusCode.PERMISSION_DENIED
SHUT_OUT = grpc.StatusCode.UNAVAILABLE

# What each caller may: sign, revoke, list the record, list the keys.
EXPECTED = {
    "ledger": [FINE, NO, NO, FINE],
    "auditor": [NO, NO, FINE, FINE],
    "operator": [NO, FINE, FINE, FINE],
    "nobody": [NO, NO, NO, NO],
    "stranger": [SHUT_OUT] * 4,
    "expired": [SHUT_OUT] * 4,
    None: [SHUT_OUT] * 4,
}


def channel(address: str, folder: pathlib.Path, caller: str | None) -> grpc.Channel:
    files = {"root_certificates": (folder / "ca.crt").read_bytes()}
    if caller is not None:
        files["private_key"] = (folder / f"{caller}.key").read_bytes()
        files["certificate_chain"] = (folder / f"{caller}.crt").read_bytes()
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(**files))


def code(call) -> grpc.StatusCode | None:
    try:
        call()
    except grpc.RpcError as error:
        return error.code()
    return None


def main(address: str, folder: pathlib.Path) -> None:
    checkpoint = messages.Checkpoint(
        checkpoint_id="chk_1", ledger_id="org_1", cumulative_hash=f"sha256:{1:064x}", entry_count=1, total_volume=1
    )
    checkpoint.timestamp.FromJsonString("2025-01-15T23:59:59Z")
    for caller, expected in EXPECTED.items():
        with channel(address, folder, caller) as open_channel:
            signer = signing_grpc.SigningServiceStub(open_channel)
            keys = key_grpc.KeyServiceStub(open_channel)
            records = record_grpc.RecordServiceStub(open_channel)
            revocation = key.RevokeKeyRequest(key_id="no-such-key", reason="a test")
            found = [
                code(lambda: signer.SignCheckpoint(signing.SignCheckpointRequest(checkpoint=checkpoint), timeout=DEADLINE)),
                code(lambda: keys.RevokeKey(revocation, timeout=DEADLINE)),
                code(lambda: records.ListSignedCheckpoints(record.ListSignedCheckpointsRequest(), timeout=DEADLINE)),
                code(lambda: keys.ListKeys(key.ListKeysRequest(), timeout=DEADLINE)),
            ]
            # The key to revoke does not exist; who may revoke is told so.
            found = [FINE if one == grpc.StatusCode.NOT_FOUND else one for one in found]
            assert found == expected, f"{caller}: {found}"


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
