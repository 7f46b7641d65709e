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
from datetime import datetime

import rfc8785
from joserfc import jws
from joserfc.jwk import RSAKey


def check(holds: object, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


# ---- JSON of one meaning: what two readers could understand differently is refused ----


def once(members: list) -> dict:
    check(len(dict(members)) == len(members), "a member stands twice, which has two meanings")
    return dict(members)


def count(value: object, largest: float, deepest: int, depth: int = 0) -> int:
    """The values in it, each of which is checked."""
    check(not isinstance(value, float) or abs(value) <= largest, f"a number is beyond {largest}, which others round")
    check(not isinstance(value, (dict, list)) or depth <= deepest, f"nests deeper than {deepest}")
    texts = [value] if isinstance(value, str) else value if isinstance(value, dict) else []
    check(not re.search("[\ud800-\udfff]", "".join(texts)), "half of a surrogate pair is no character")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(count(member, largest, deepest, depth + 1) for member in inner)


def parse(text: bytes, most: int = 2**20, values: int = 65545, largest: float = 2**53 - 1, deepest: int = 16) -> dict:
    check(len(text) <= most, f"has more than {most} bytes")
    check(not text.startswith(b"\xef\xbb\xbf"), "begins with a byte order mark; expected UTF-8 without one")
    # Numbers as doubles, as JavaScript has them: 15842.0 is 15842.
    found = json.loads(text.decode(), object_pairs_hook=once, parse_int=float)
    check(isinstance(found, dict), "is not an object")
    check(count(found, largest, deepest) <= values, f"has more than {values} values")
    return found


# ---- The forms of what stands in it ----


def is_text(form: str):
    return lambda value: isinstance(value, str) and re.fullmatch(form, value)


def is_whole(least: int, most: int):
    return lambda value: isinstance(value, float) and value == int(value) and least <= value <= most


def is_time(value: object) -> bool:
    form = is_text("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
    return bool(form(value)) and datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").year >= 1970


IDENTIFIER = is_text("[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
FORMS = {
    "checkpoint_id": IDENTIFIER,
    "ledger_id": IDENTIFIER,
    "timestamp": is_time,
    "cumulative_hash": is_text("sha256:[0-9a-f]{64}"),
    "entry_count": is_whole(0, 2**53 - 1),
    "total_volume": is_whole(1 - 2**53, 2**53 - 1),
    "organization_summaries": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
    "signature": is_text("[A-Za-z0-9_-]+[.][.][A-Za-z0-9_-]+"),
}
KEY_TIME = is_whole(0, 253402300799)  # until the end of 9999

# Names that no key may have: what could be taken for a fingerprint or a thumbprint.
HASH = "(?:sha|shake|blake|md)[-_]?[0-9]"
LIKE_FINGERPRINT = re.compile(
    f"fingerprint|thumbprint|(?:^|:){HASH}.*:|(?:^|[:.])(?:[a-z0-9_-]{{43}}(?=$|[:.])|(?={HASH})[a-z0-9_-]{{44,}})"
    "|[0-9a-f]{40}|^(?:[0-9a-f][-:._]*){40,}$",
    re.IGNORECASE,
)


def check_name(kid: object) -> None:
    check(IDENTIFIER(kid), "kid is not the name of a key")
    check(not LIKE_FINGERPRINT.search(kid), "a key is named like a fingerprint")


def decode(part: object, problem: str) -> bytes:
    """Base64url in its one form: others forgive padding, white space, and bits behind the last byte."""
    data = base64.urlsafe_b64decode(str(part) + "=" * (-len(str(part)) % 4))
    check(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == part, f"{problem} is not base64url without padding")
    return data


# ---- The keyring ----

# Private members (RFC 7518, section 6; RFC 8037; RFC 9864): a keyring that is published has none.
PRIVATE = {"RSA": {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}, "EC": {"d"}, "OKP": {"d"}, "AKP": {"priv"}}


def is_known(key: dict) -> bool:
    """Whether a key is of the kind that signs here. The others are skipped (RFC 7517, section 5)."""
    check(isinstance(key["kty"], str), "kty is not a text")
    private = PRIVATE.get(key["kty"], set()) & key.keys()
    check(not private, "a private key stands in the keyring: whoever signs with it must roll it over")
    if key["kty"] != "RSA":
        return False
    use, does = key.get("use"), key.get("key_ops")
    check(use is None or isinstance(use, str), "use is not a text")
    if use not in (None, "sig"):
        return False
    is_list = isinstance(does, list) and all(isinstance(one, str) for one in does)
    check(does is None or is_list, "key_ops is not an array of texts")
    known = key.get("alg") in ("PS256", "RS256") or not isinstance(key.get("alg"), str)
    return known and (does is None or "verify" in does)


def check_key(key: dict) -> None:
    check_name(key.get("kid"))
    check(key.get("alg") in ("PS256", "RS256"), "alg is not PS256 or RS256")
    nbf, exp, revoked = key.get("nbf"), key.get("exp"), key.get("revoked")
    check(KEY_TIME(nbf) and KEY_TIME(exp) and nbf < exp, "the key has no window")
    revoked = {"revoked_at": 0.0} if revoked is None else revoked
    is_revoked = isinstance(revoked, dict) and KEY_TIME(revoked.get("revoked_at"))
    check(is_revoked and isinstance(revoked.get("reason") or "", str), "revoked has no time, or a reason that is no text")
    n, e = (int.from_bytes(decode(key.get(name), name), "big") for name in ("n", "e"))
    check(2048 <= n.bit_length() <= 8192 and 65537 <= e < 2**33 and n % 2 == e % 2 == 1, "is no RSA key for this")


def fingerprint(key: dict) -> str:
    bound = {name: key[name] for name in ("alg", "exp", "kid", "kty", "nbf")} | {"use": "sig"}
    for name in ("n", "e"):
        number = decode(key[name], name).lstrip(b"\0")
        bound[name] = base64.urlsafe_b64encode(number).rstrip(b"=").decode()
    return "sha256:" + hashlib.sha256(rfc8785.dumps(bound)).hexdigest()


def keys_of(keyring: bytes) -> dict:
    # Members that are not known may be larger than those of a checkpoint.
    jwks = parse(keyring, 2**24, 2**24, sys.float_info.max, 99)
    keys = [key for key in jwks["keys"] if is_known(key)]
    skipped = len(jwks["keys"]) - len(keys)
    if skipped:
        print(f"{skipped} of {len(jwks['keys'])} keys were skipped, of kinds that are not known here", file=sys.stderr)
    for key in keys:
        check_key(key)
    check(len({key["kid"] for key in keys}) == len(keys), "two keys of the keyring have one name")
    numbers = {tuple(decode(key[name], name).lstrip(b"\0") for name in ("n", "e")) for key in keys}
    check(len(numbers) == len(keys), "one key of the keyring has two names")
    return {key["kid"]: key for key in keys}


# ---- The verdict ----


def verify(published: bytes, keyring: bytes, pin: str | None = None) -> str:
    keys = keys_of(keyring)
    checkpoint = parse(published)
    # With a payload between its dots, that would be verified, and not what was read here.
    detached = FORMS["signature"](checkpoint.get("signature"))
    check(detached, "the signature is not detached, in base64url without padding: expected header..signature")
    for name, has_form in FORMS.items():
        check(has_form(checkpoint.get(name)), f"{name} is missing, or has not its form")
    signature = checkpoint.pop("signature")
    payload = rfc8785.dumps(checkpoint)
    check(len(payload) <= 2**19 and len(signature) <= 4096, "the content or its signature is too large")

    encoded_header, _, encoded_signature = signature.split(".")
    raw = decode(encoded_signature, "the signature")
    header = parse(decode(encoded_header, "the header of the signature"))
    check(header.get("typ") == "ledger-checkpoint+jws", "it is signed as something else")
    check(header.get("alg") in ("PS256", "RS256"), "alg of the header is not PS256 or RS256")
    check(is_whole(-8334601228800, 8210266876799)(header.get("iat")), "iat of the header is not a time in whole seconds")
    check(not {"crit", "b64"} & header.keys(), "the header asks for an extension")
    check_name(header.get("kid"))

    check(header["kid"] in keys, f"the keyring has no key {header['kid']}")
    key = keys[header["kid"]]
    check(header["alg"] == key["alg"], "the key has another algorithm")
    # RFC 8017, sections 8.1.2 and 8.2.2; libraries take one without the zeros that it begins with.
    check(len(raw) == len(decode(key["n"], "n").lstrip(b"\0")), "the signature is not as long as the key")
    # The algorithm is the key's. The header is checked already: what else stands in it says nothing here. A payload may be large.
    registry = jws.JWSRegistry(algorithms=[key["alg"]])
    registry.check_header = lambda _: None
    registry.max_header_length, registry.max_payload_length, registry.max_signature_length = 4096, 2**20, 4096
    public = RSAKey.import_key({name: key[name] for name in ("kty", "n", "e")})
    jws.deserialize_compact(signature, public, payload=payload, registry=registry)
    check(key["nbf"] <= header["iat"] < key["exp"], "signed outside of the key's window")
    revoked = key.get("revoked")
    check(not revoked or header["iat"] < revoked["revoked_at"], "signed when the key was not trusted any more")
    found = fingerprint(key)
    check(pin in (None, found), f"it was signed by {key['kid']} with the fingerprint {found}, and not by the pinned key")
    return f"valid: signed by {key['kid']} ({found}) at {int(header['iat'])} seconds since 1970"


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
