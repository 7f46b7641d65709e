"""Verifies a published checkpoint with general libraries (joserfc, rfc8785), and nothing of the signer's.

    python verify_with_python.py PUBLISHED.json KEYRING.json

KEYRING.json is what `checkpoint-signer keys export` prints, or /.well-known/jwks.json. Exit code 0: valid.
"""

import json
import sys

import rfc8785
from joserfc import jws
from joserfc.jwk import KeySet
from joserfc.registry import HeaderParameter


def check(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def once(members: list) -> dict:
    check(len(dict(members)) == len(members), "a member stands twice, which has two meanings")
    return dict(members)


def verify(published: bytes, keyring: bytes) -> str:
    checkpoint = json.loads(published, object_pairs_hook=once)
    signature = checkpoint.pop("signature")
    payload = rfc8785.dumps(checkpoint)

    # The algorithm is the key's, never the header's. The header has an iat, which RFC 7515 does not list.
    jwks = json.loads(keyring)
    registry = jws.JWSRegistry({"iat": HeaderParameter("Issued At", "int")}, ["PS256", "RS256"])
    registry.max_payload_length = 1024 * 1024
    registry.max_signature_length = 2048
    keys = KeySet.import_key_set(jwks)
    header = jws.deserialize_compact(signature, keys, payload=payload, registry=registry).headers()

    key = next(key for key in jwks["keys"] if key["kid"] == header["kid"])
    check(header["alg"] == key["alg"], "the key has another algorithm")
    check(header["typ"] == "ledger-checkpoint+jws", "it is signed as something else")
    check(key["nbf"] <= header["iat"] < key["exp"], "signed outside of the key's window")
    revoked = key.get("revoked", {}).get("revoked_at", header["iat"] + 1)
    check(header["iat"] < revoked, "signed when the key was not trusted any more")
    return f"valid: signed by {header['kid']} at {header['iat']} seconds since 1970"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    contents = [open(path, "rb").read() for path in sys.argv[1:]]
    try:
        print(verify(*contents))
    except Exception as error:
        sys.exit(f"not valid: {type(error).__name__}: {error}")
