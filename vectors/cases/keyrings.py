"""Keyrings: keys of kinds that are not known, members that are not, keys that are wrong, and texts that are no keyring."""

import base64
import json

from .pins import A, BY_A, endorsed
from .signing import FIRST, GOLDEN, OTHER, VERSION, Key, canonical, encode

SECRET = "c2VjcmV0LXRoYXQtaXMtc2hvd24tbm93aGVyZQ"
THUMBPRINT = "liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA"


def kinds() -> dict:
    """Single keys, which stand first in the keyring of tests/golden: `skipped`, `read` beside others, or what makes it no keyring."""
    (golden,) = (key for key in GOLDEN if key["alg"] == "PS256")
    plain = {name: value for name, value in golden.items() if name != "endorsement"}
    other = {**plain, "kid": "other-key"}
    window = {name: plain[name] for name in ("nbf", "exp")}

    def without(key: dict, *names: str) -> dict:
        return {name: value for name, value in key.items() if name not in names}

    ec, okp = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "OKP", "kid": "okp", "crv": "Ed25519", "x": "AA"}
    akp = {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-65"}
    numberless = without(other, "n")
    skipped = {
        "EC, as it is": {**ec, **window, "alg": "ES256", "kid": "ec"},
        "EC without a window or an algorithm": {**ec, "kid": "ec-2"},
        "EC of the name of a key that signs": {**ec, "kid": plain["kid"]},
        "OKP": {**okp, **window, "alg": "EdDSA"},
        "oct": {"kty": "oct", "kid": "oct", "alg": "HS256", "k": SECRET},
        "AKP": {**akp, **window, "pub": "AAAA"},
        "a kind of the future": {"kty": "FUTURE", "kid": "future", "alg": "F1", "d": [1, {"e": None}], "nbf": "tomorrow"},
        "a kind of the future without a name": {"kty": "FUTURE"},
        "a kind of the future with a name that is none": {"kty": "FUTURE", "kid": 7, "use": 3},
        "a kind of the future named like a thumbprint": {"kty": "FUTURE", "kid": THUMBPRINT},
        "RSA in small letters": {**other, "kty": "rsa"},
        "RSA to encrypt": {**other, "use": "enc"},
        "RSA to wrap keys": {**without(other, "use"), "key_ops": ["encrypt", "wrapKey"]},
        "RSA for nothing": {**other, "key_ops": []},
        "RSA with RS512": {**other, "alg": "RS512"},
        "RSA with RSA-OAEP, without a window": {"kty": "RSA", "kid": "oaep", "alg": "RSA-OAEP-256", "n": "AA", "e": "AQAB"},
    }
    read = {
        "members that nobody knows": {**plain, "extra": {"d": 1}, "key_ops": ["verify"], "x5t": "AA"},
        "without a use": without(plain, "use"),
        "a use that is null": {**plain, "use": None},
    }
    refused = {
        "a private RSA key": ("d", {**plain, "d": SECRET}),
        "a factor of an RSA key": ("p", {**other, "p": SECRET}),
        "the other one": ("q", {**plain, "q": SECRET}),
        "its remainders": ("dp", {**plain, "dp": SECRET}),
        "a secret beside it": ("k", {**plain, "k": SECRET}),
        "more primes": ("oth", {**plain, "oth": [{"r": SECRET}]}),
        "a private member that is null": ("d", {**plain, "d": None}),
        "a private RSA key to encrypt": ("d", {**plain, "use": "enc", "d": SECRET}),
        "a private RSA key with RS512": ("d", {**plain, "alg": "RS512", "d": SECRET}),
        "a private EC key": ("d", {**ec, "kid": "ec", "d": SECRET}),
        "a private OKP key": ("d", {**okp, "d": SECRET}),
        "a private AKP key": ("priv", {**akp, "pub": "AAAA", "priv": SECRET}),
        "no kty": ("kty", without(plain, "kty")),
        "a kty that is no text": ("kty", {**plain, "kty": 5}),
        "a use that is no text": ("use", {**plain, "use": 5}),
        "key_ops that are no array": ("key_ops", {**plain, "key_ops": "verify"}),
        "key_ops of something else": ("key_ops", {**plain, "key_ops": ["verify", 5]}),
        "no alg": ("alg", without(other, "alg")),
        "an alg that is no text": ("alg", {**other, "alg": 5}),
        "no window": ("nbf", without(other, "nbf")),
        "a window that is none": ("exp", {**other, "exp": 1}),
        "no name": ("kid", without(plain, "kid")),
        "no numbers": ("n", numberless),
        "numbers that are none": ("n", {**numberless, "n": "="}),
        "a short key": ("n", {**numberless, "n": "AQAB"}),
    }
    listed = {"skipped": [{"name": name, "key": key} for name, key in skipped.items()]}
    listed["read"] = [{"name": name, "key": key} for name, key in read.items()]
    listed["refused"] = [{"name": name, "member": member, "key": key} for name, (member, key) in refused.items()]
    return {"version": VERSION, **listed}


def keyrings() -> dict:
    """Whole keyrings, as texts: the verdict on one checkpoint, how many keys are skipped; or what makes it no keyring."""
    cases: list[dict] = []

    def add(name: str, text: str | bytes, **told: object) -> None:
        assert all(other["name"] != name for other in cases), name
        ring = {"keyring": text} if isinstance(text, str) else {"keyring_base64": base64.b64encode(text).decode()}
        cases.append({"name": name, **ring, **told})

    def read(name: str, text: str | bytes, verdict: str = "VALID", skipped: int = 0) -> None:
        add(name, text, verdict=verdict, skipped=skipped)

    def refused(name: str, text: str | bytes, about: str = "json") -> None:
        add(name, text, verdict=None, refused="keyring", about=about)

    for case in kinds()["skipped"]:
        read(f"a key is skipped: {case['name']}", canonical({"keys": [case["key"], A]}), skipped=1)
    for case in kinds()["read"]:
        read(f"a key is read: {case['name']}", canonical({"keys": [case["key"], A]}))
    for case in kinds()["refused"]:
        refused(f"a key is refused: {case['name']}", canonical({"keys": [A, case["key"]]}), f"keys[1].{case['member']}")
    whole(read, refused)
    members(read, refused)
    endorsements(read, refused)
    return {"version": VERSION, "checkpoint": BY_A, "cases": cases}


def whole(read, refused) -> None:
    plain = canonical({"keys": [A]})
    read("the key alone", plain)
    read("indented, with other line ends", json.dumps({"keys": [A]}, indent=2).replace("\n", "\r\n"))
    read("with members beside the keys", canonical({"keys": [A], "issuer": "x", "more": {"a": [1, None]}}))
    read("with members beside the keys that no checkpoint may have", plain.replace("{", f'{{"a":{2**60},"b":1e300,"c":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],', 1))
    read("nested as deep as may be", plain.replace("{", '{"a":' + "[" * 99 + "]" * 99 + ",", 1))
    many = [{"kty": "FUTURE", "x": [0] * 1000}] * 70
    read("with more values than a checkpoint may have", canonical({"keys": [*many, A]}), skipped=70)
    read("no key", canonical({"keys": []}), "UNKNOWN_KEY")
    read("other kinds alone", canonical({"keys": [{"kty": "FUTURE"}, {"kty": "FUTURE"}]}), "UNKNOWN_KEY", 2)
    read("other keys alone", canonical({"keys": [OTHER.jwk()]}), "UNKNOWN_KEY")
    read("a key of the same modulus and another exponent", canonical({"keys": [A, {**A, "kid": "another", "e": "AQAD"}]}))
    read("after many others", canonical({"keys": [*({"kty": "FUTURE", "kid": f"f-{at}"} for at in range(100)), A]}), skipped=100)
    for name, text in {
        "nothing": "", "null": "null", "an array": f"[{canonical(A)}]", "an object without keys": "{}", "a key that stands alone": canonical(A),
        "keys that are an object": canonical({"keys": {"a": A}}), "keys that are null": '{"keys":null}', "cut off": plain[:-1],
        "something behind it": plain + "x", "a comment": plain + "// a", "single quotes": plain.replace('"', "'"),
        "a number that no double holds, in a member that is not known": plain.replace("{", '{"a":1e400,', 1),
        "a member that is not known twice": plain.replace("{", '{"a":1,"a":2,', 1), "a member of one twice": plain.replace("{", '{"a":{"b":1,"b":1},', 1),
        "nested too deep": plain.replace("{", '{"a":' + "[" * 100 + "]" * 100 + ",", 1),
        "keys twice": plain.replace("{", '{"keys":[],', 1), "NaN in a member that is not known": plain.replace("{", '{"a":NaN,', 1),
        "half of a surrogate pair": plain.replace("{", '{"a":"\\ud800",', 1), "its keys under another name": plain.replace("keys", "Keys"),
    }.items():
        refused(f"no keyring: {name}", text)
    refused("no keyring: a byte order mark", b"\xef\xbb\xbf" + plain.encode())
    refused("no keyring: UTF-16", plain.encode("utf-16"))
    refused("no keyring: a byte that is no UTF-8", plain.encode().replace(b"key-2025", b"key-\xff025"))


def members(read, refused) -> None:
    def ring(**changed: object) -> str:
        return canonical({"keys": [{name: value for name, value in {**A, **changed}.items() if value is not ...}]})

    def wrong(name: str, **changed: object) -> None:
        refused(name, ring(**changed), f"keys[0].{next(iter(changed))}")

    n, e = FIRST.n.to_bytes(FIRST.size, "big"), b"\1\0\1"
    read("n with a zero before it", ring(n=encode(b"\0" + n)))
    read("e with a zero before it", ring(e=encode(b"\0" + e)))
    read("another exponent", ring(e=encode(b"\1\0\3")), "INVALID_SIGNATURE")
    read("revoked is null", ring(revoked=None))
    read("endorsement is null", ring(endorsement=None))
    read("key_ops are null", ring(key_ops=None))
    read("revoked without a reason", ring(revoked={"revoked_at": A["exp"]}))
    read("revoked with members that are not known", ring(revoked={"revoked_at": A["exp"], "more": [1]}))
    read("revoked in the second of the signature", ring(revoked={"revoked_at": 1748736000}), "KEY_REVOKED")
    read("revoked a second after the signature", ring(revoked={"revoked_at": 1748736001}))
    read("revoked in second 0", ring(revoked={"revoked_at": 0}), "KEY_REVOKED")
    read("the widest window", ring(nbf=0, exp=253402300799))
    read("a window of one second", ring(nbf=1748736000, exp=1748736001))
    read("a window that begins later", ring(nbf=1748736001), "OUTSIDE_VALIDITY")
    read("the other algorithm", ring(alg="RS256"), "ALGORITHM_MISMATCH")
    read("verify among other operations", ring(key_ops=["sign", "verify"]))
    read("members that are other languages' own", ring(**{"__proto__": {"alg": "RS256"}, "constructor": 1, "toString": 2}))
    for text in ("", "a b", "-a", "k" * 129, "\u00e4", "a\n", THUMBPRINT, "sha256:" + "0" * 64, "my-fingerprint"):
        wrong(f"kid is {text[:20]!r}", kid=text)
    for value in (None, 7, ["a"]):
        wrong(f"kid is {json.dumps(value)}", kid=value)
    for member, values in {
        "nbf": (None, -1, 1.5, "1", True, 253402300800, 2**53, []),
        "exp": (None, -1, 1.5, "1", 253402300800, 0, A["nbf"], A["nbf"] - 1),
        "n": (None, 1, "", "=", "AQAB", encode(n) + "=", encode(n) + "==", encode(n)[:-1] + "!", encode(n) + " ", encode(b"\1" * 8193)),
        "e": (None, 1, "", "AQAB=", "AR", "Aw", "AQ"),
        "alg": (None, 5, ["PS256"]),
    }.items():
        wrong(f"{member} is missing", **{member: ...})
        for at, value in enumerate(values):
            told = json.dumps(value)
            wrong(f"{member} is {told}" if len(told) < 40 else f"{member} is wrong, {at}", **{member: value})
    refused("n is even", ring(n=encode(n[:-1] + b"\0")), "keys[0].n")
    refused("e is even", ring(e="AQAC"), "keys[0].n")
    for size in (5, 8, 9, 96):
        refused(f"e has {size} bytes of ones", ring(e=encode(b"\xff" * size)), "keys[0].n")
    read("e has four bytes of ones", ring(e=encode(b"\xff" * 4)), "INVALID_SIGNATURE")
    read("e is the greatest odd number below 2^33", ring(e=encode(b"\1" + b"\xff" * 4)), "INVALID_SIGNATURE")
    refused("e is the least odd number beyond 2^33", ring(e=encode(b"\2\0\0\0\1")), "keys[0].n")
    refused("n has 8193 bits", ring(n=encode(b"\1" + b"\xff" * 1024)), "keys[0].n")
    refused("n has 2047 bits", ring(n=encode(b"\x7f" + n[1:])), "keys[0].n")
    for name, value in {"a text": "yes", "an array": [], "true": True, "false": False, "0": 0, "an object without a time": {}}.items():
        refused(f"revoked is {name}", ring(revoked=value), "keys[0].revoked")
    for value in (1, [], {}, True):
        refused(f"reason is {json.dumps(value)}", ring(revoked={"revoked_at": 1, "reason": value}), "keys[0].revoked")
    read("reason is null", ring(revoked={"revoked_at": A["exp"], "reason": None}))
    for written in ("1735689600.0", "1.7356896e9", "17356896e2"):
        read(f"nbf is written {written}", ring().replace('"nbf":1735689600', f'"nbf":{written}'))
    for value in (None, -1, 1.5, "1", 253402300800, True):
        refused(f"revoked_at is {json.dumps(value)}", ring(revoked={"revoked_at": value}), "keys[0].revoked")
    refused("a member of a key stands twice", ring().replace('"kid":', '"kid":"other","kid":'))
    refused("a member of a revocation stands twice", ring(revoked={"revoked_at": 1}).replace('"revoked_at":1', '"revoked_at":1,"revoked_at":2'))
    for name, value in {"null": None, "a text": "key", "a number": 1, "an array": [A]}.items():
        refused(f"a key is {name}", canonical({"keys": [A, value]}), "keys[1].jwk")


def endorsements(read, refused) -> None:
    """A keyring whose endorsement cannot be read is none, pinned or not; one that is false is only seen with a pin."""
    second = endorsed(Key("two", "key-2026", 2026), FIRST, "2025-12-01")
    head, body, signature = second["endorsement"].split(".")

    def ring(endorsement: object) -> str:
        return canonical({"keys": [A, {**second, "endorsement": endorsement}]})

    def header(**changed: object) -> str:
        return encode(FIRST.header("2025-12-01", **{"typ": "key-endorsement+jws", **changed}).encode())

    read("an endorsement that is right", ring(second["endorsement"]))
    read("an endorsement of something else", ring(f"{head}.{encode(b'{}')}.{signature}"))
    refused("an endorsement: a body that is no UTF-8", ring(f"{head}.{encode(bytes([255]))}.{signature}"), "keys[1].endorsement")
    refused("an endorsement: a header that is too long", ring(f"{header(more='m' * 4096)}.{body}.{signature}"), "keys[1].endorsement")
    read("an endorsement with a long body", ring(f"{head}.{encode(b'b' * 8000)}.{signature}"))
    read("an endorsement with another signature", ring(f"{head}.{body}.AAAA"))
    read("an endorsement by a key that is not there", ring(f"{header(kid='nobody')}.{body}.{signature}"))
    for name, value in {
        "a number": 1, "an object": {}, "nothing": "", "two parts": f"{head}.{body}", "four parts": f"{head}.{body}.{signature}.",
        "detached": f"{head}..{signature}x", "padding": f"{head}.{body}.{signature}==", "a signature of nothing": f"{head}.{body}.",
        "a body with padding": f"{head}.{body}=.{signature}", "the type of a checkpoint": f"{header(typ='ledger-checkpoint+jws')}.{body}.{signature}",
        "no type": f"{header(typ=...)}.{body}.{signature}", "another algorithm": f"{header(alg='ES256')}.{body}.{signature}",
        "no time": f"{header(iat=...)}.{body}.{signature}", "a time as text": f"{header(iat='1')}.{body}.{signature}",
        "crit": f"{header(crit=['x'])}.{body}.{signature}", "b64": f"{header(b64=True)}.{body}.{signature}",
        "a kid that is none": f"{header(kid='')}.{body}.{signature}", "a header that is no JSON": f"{encode(b'{')}.{body}.{signature}",
    }.items():
        refused(f"an endorsement: {name}", ring(value), "keys[1].endorsement")
