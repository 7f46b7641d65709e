"""Verifies golden heads of the record with other people's libraries: the JWS with joserfc, the note with cryptography.

Arguments: the folder of the golden files, and the algorithm. Prints what the head says.
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

TYPE_NAMES = {"PS256": "checkpoint-signer/rsa-pss-sha256", "RS256": "checkpoint-signer/rsa-pkcs1v15-sha256"}


def main():
    folder, algorithm = pathlib.Path(sys.argv[1]), sys.argv[2]
    keys = json.loads((folder / "keyring.json").read_text())["keys"]
    [jwk] = [key for key in keys if key["alg"] == algorithm]
    key = RSAKey.import_key({name: jwk[name] for name in ("kty", "n", "e")})
    registry = jws.JWSRegistry(
        header_registry={"iat": HeaderParameter("signing time", "int")}, algorithms=[algorithm]
    )
    token = jws.deserialize_compact((folder / f"{algorithm}.record-head.jws").read_text(), key, registry=registry)
    assert token.headers()["typ"] == "record-head+jws"
    head = json.loads(token.payload)
    assert head["timestamp"] == token.headers()["iat"]

    text, signature = (folder / f"{algorithm}.record-head.note").read_text().split("\n\n")
    text += "\n"
    dash, name, encoded = signature.removesuffix("\n").split(" ")
    assert dash == "\u2014" and name == head["log"]
    public = key.public_key
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    expected = hashlib.sha256(f"{name}\n".encode() + b"\xff" + TYPE_NAMES[algorithm].encode() + der).digest()[:4]
    decoded = base64.b64decode(encoded, validate=True)
    assert decoded[:4] == expected
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    scheme = pss if algorithm == "PS256" else padding.PKCS1v15()
    public.verify(decoded[4:], text.encode(), scheme, hashes.SHA256())
    log, rows, root = text.splitlines()
    assert (log, int(rows), base64.b64decode(root).hex()) == (head["log"], head["rows"], head["root"])
    print(json.dumps(head, sort_keys=True, separators=(",", ":")))


main()
