"""Verifies published checkpoints as one would with a script: prints how many a second. KEYRING PUBLISHED MOST"""

import base64
import json
import sys
import time

import rfc8785
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def number(text: str) -> int:
    return int.from_bytes(decode(text), "big")


keyring, published, most = sys.argv[1:]
keys = {}
for jwk in json.load(open(keyring))["keys"]:
    public = rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
    keys[jwk["kid"]] = (public, jwk["nbf"], jwk["exp"])
pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)

start, count = time.monotonic(), 0
for line in open(published, "rb"):
    if count == int(most):
        break
    checkpoint = json.loads(line)
    header, signature = checkpoint.pop("signature").split("..")
    claims = json.loads(decode(header))
    key, nbf, exp = keys[claims["kid"]]
    assert claims["alg"] == "PS256" and nbf <= claims["iat"] < exp
    signed = header.encode() + b"." + encode(rfc8785.dumps(checkpoint))
    key.verify(decode(signature), signed, pss, hashes.SHA256())
    count += 1
print(count / (time.monotonic() - start))
