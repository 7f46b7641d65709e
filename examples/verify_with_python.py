"""Verifies a published checkpoint with general libraries (joserfc, rfc8785), and nothing of the signer's.

    python verify_with_python.py PUBLISHED.json KEYRING.json [FINGERPRINT]

KEYRING.json is what `checkpoint-signer keys export` prints, or /.well-known/jwks.json. FINGERPRINT is that of the key that
signed, if you noted it before; it follows no endorsements. Exit code 0: valid; 1: not valid; 2: nothing was verified.
"""

import base64
import hashlib
import json
import re
import sys

import rfc8785
from joserfc import jws
from joserfc.jwk import KeySet
from joserfc.registry import HeaderParameter


# Names that no key may have: what could be taken for a fingerprint or a thumbprint.
LIKE_FINGERPRINT = re.compile(r"^(.*:)?[\w-]{43}$|[0-9a-f]{40}|^sha-?\d+:|thumbprint|fingerprint", re.IGNORECASE)


def check(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


# Other readers forgive these, and the service's own does not: what is published has one form.
BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def check_text(text: bytes) -> None:
    check(not text.startswith(b"\xef\xbb\xbf"), "begins with a byte order mark; expected UTF-8 without one")


def once(members: list) -> dict:
    check(len(dict(members)) == len(members), "a member stands twice, which has two meanings")
    return dict(members)


# Private members (RFC 7518, section 6): a keyring that is published has none.
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}


def is_known(key: dict) -> bool:
    """Whether a key is of the kind that signs here. The others are skipped (RFC 7517, section 5)."""
    private = key["kty"] in ("RSA", "EC", "OKP", "AKP") and PRIVATE & key.keys()
    check(not private, "a private key stands in the keyring: whoever signs with it must roll it over")
    does = key.get("use", "sig") == "sig" and "verify" in key.get("key_ops", ["verify"])
    return key["kty"] == "RSA" and does and key["alg"] in ("PS256", "RS256")


def fingerprint(key: dict) -> str:
    bound = {name: key[name] for name in ("alg", "e", "exp", "kid", "kty", "n", "nbf")}
    return "sha256:" + hashlib.sha256(rfc8785.dumps({**bound, "use": "sig"})).hexdigest()


def verify(published: bytes, keyring: bytes, pin: str | None = None) -> str:
    check_text(published)
    check_text(keyring)
    checkpoint = json.loads(published, object_pairs_hook=once)
    signature = checkpoint.pop("signature")
    payload = rfc8785.dumps(checkpoint)
    # With a payload between its dots, that would be verified, and not what was read here.
    parts = signature.split(".")
    check(len(parts) == 3 and parts[1] == "", "the signature is not detached: expected header..signature")
    check(all(BASE64URL.fullmatch(part) for part in parts[::2]), "the signature is not base64url without padding")
    json.loads(base64.urlsafe_b64decode(parts[0] + "=="), object_pairs_hook=once)

    # The algorithm is the key's, never the header's. The header has an iat, which RFC 7515 does not list.
    jwks = json.loads(keyring, object_pairs_hook=once)
    found = len(jwks["keys"])
    jwks["keys"] = [key for key in jwks["keys"] if is_known(key)]
    skipped = found - len(jwks["keys"])
    if skipped:
        print(f"{skipped} of {found} keys were skipped, of kinds that are not known here", file=sys.stderr)
    names = [key["kid"] for key in jwks["keys"]]
    check(len(set(names)) == len(names), "two keys of the keyring have one name")
    check(len({key["n"] for key in jwks["keys"]}) == len(names), "one key of the keyring has two names")
    check(not any(LIKE_FINGERPRINT.search(name) for name in names), "a key is named like a fingerprint")
    registry = jws.JWSRegistry({"iat": HeaderParameter("Issued At", "int")}, ["PS256", "RS256"])
    registry.max_payload_length = 1024 * 1024
    registry.max_signature_length = 2048
    keys = KeySet.import_key_set(jwks)
    header = jws.deserialize_compact(signature, keys, payload=payload, registry=registry).headers()

    key = next(key for key in jwks["keys"] if key["kid"] == header["kid"])
    check(header["alg"] == key["alg"], "the key has another algorithm")
    check(header["typ"] == "ledger-checkpoint+jws", "it is signed as something else")
    check(key["nbf"] <= header["iat"] < key["exp"], "signed outside of the key's window")
    check("revoked" not in key or header["iat"] < key["revoked"]["revoked_at"], "signed when the key was not trusted any more")
    found = fingerprint(key)
    check(pin in (None, found), f"it was signed by {key['kid']} with the fingerprint {found}, and not by the pinned key")
    return f"valid: signed by {header['kid']} ({found}) at {header['iat']} seconds since 1970"


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        contents = [open(path, "rb").read() for path in sys.argv[1:3]]
    except OSError as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        print(verify(*contents, *sys.argv[3:]))
    except Exception as error:
        sys.exit(f"not valid: {type(error).__name__}: {error}")
