"""Fingerprints, the names that no key may have, and forged keyrings with what a pin makes of them."""

import hashlib

from .signing import FIRST, GOLDEN, VERSION, Key, canonical, content, encode, published, seconds

# Names that could be taken for a fingerprint or a thumbprint, and names that could not.
NO_NAMES = (
    "liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "lid36x9_opt8qvrajh_8w0uw0m2hnlf9ekv-avxwcxa",
    "LID36X9_OPT8QVRAJH_8W0UW0M2HNLF9EKV-AVXWCXA",
    "sha256:36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "SHA256:36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "Sha256:36E96C62633613D6F8E98943830ED5C5F814C2BB9214D8BBA577386096BC926A",
    "36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "36E96C62633613D6F8E98943830ED5C5F814C2BB9214D8BBA577386096BC926A",
    "36e96c62633613d6f8e98943830ed5c5F814C2BB9214D8BBA577386096BC926A",
    "sha256:36e96c62633613d6f8e98943830ed5c5",
    "sha256:key-2025",
    "sha-256:liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "SHA256:liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "sha256-liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "sha256.36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "sha256_36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "sha256-36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "36:e9:6c:62:63:36:13:d6:f8:e9:89:43:83:0e:d5:c5:f8:14:c2:bb:92:14:d8:bb:a5:77:38:60:96:bc:92:6a",
    "36:E9:6C:62:63:36:13:D6:F8:E9:89:43:83:0E:D5:C5:F8:14:C2:BB:92:14:D8:BB:A5:77:38:60:96:BC:92:6A",
    "SHA256:36:e9:6c:62:63:36:13:d6:f8:e9:89:43:83:0e:d5:c5:f8:14:c2:bb:92:14:d8:bb:a5:77:38:60:96:bc:92:6a",
    "36-e9-6c-62-63-36-13-d6-f8-e9-89-43-83-0e-d5-c5-f8-14-c2-bb-92-14-d8-bb-a5-77-38-60-96-bc-92-6a",
    "36.e9.6c.62.63.36.13.d6.f8.e9.89.43.83.0e.d5.c5.f8.14.c2.bb.92.14.d8.bb.a5.77.38.60.96.bc.92.6a",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
    "sha512:x",
    "sha3-256:x",
    "SHAKE128:x",
    "md5:x",
    "blake2b:x",
    "blake3:36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "urn:ietf:params:oauth:jwk-thumbprint:sha-256:liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "jwk:liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA:1",
    "key.liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "key-36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a",
    "thumbprint-liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA",
    "Fingerprint:1",
    "my-thumbprint",
    "abcdefghijklmnopqrstuvwxyz-0123456789-ABCDE",
)

NAMES = (
    "amply-checkpoint-key-2025",
    "amply-checkpoint-key-2026b",
    "test-key-never-trust-ps256",
    "key-sha256",
    "sharon-key:1",
    "shard-7:2025",
    "md-key-2025",
    "sha256-key-2025",
    "550e8400-e29b-41d4-a716-446655440000",
    "550e8400e29b41d4a716446655440000",
    "20250101-20260101",
    "a",
    "A:1",
    "deadbeef-cafe",
    "abcdefghijklmnopqrstuvwxyz-0123456789-ABCD",
    "abcdefghijklmnopqrstuvwxyz-0123456789-ABCDEF",
    "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
    "36e96c62633613d6f8e98943830ed5c5f814c2b",
)

LATE = seconds("2100-01-01")
SECOND = Key("two", "key-2026", 2026)
THIRD = Key("three", "key-2027", 2027)


def impostor(kid: str, year: int = 2025) -> Key:
    return Key("four", kid, year)


def fingerprint(jwk: dict) -> str:
    bound = {name: jwk[name] for name in ("alg", "e", "exp", "kid", "kty", "n", "nbf", "use")}
    return "sha256:" + hashlib.sha256(canonical(bound).encode()).hexdigest()


def thumbprint(jwk: dict) -> str:
    return encode(hashlib.sha256(canonical({name: jwk[name] for name in ("e", "kty", "n")}).encode()).digest())


def checkpoint(key: Key, day: str, **how: object) -> str:
    what = content(day, timestamp=f"{day}T00:00:00Z")
    return published(key, what, day, header=key.header(day, **({"alg": how["alg"]} if "alg" in how else {})), **how)


def endorsed(key: Key, by: Key, day: str, kid: str = "", **header: object) -> dict:
    """The key, endorsed; by another one than it says where `kid` is that of another one."""
    members = {"kid": kid or by.kid, "typ": "key-endorsement+jws", **header}
    head, body = encode(by.header(day, **members).encode()), encode(canonical(key.jwk()).encode())
    return {**key.jwk(), "endorsement": f"{head}.{body}.{encode(by.sign(f'{head}.{body}'.encode()))}"}


def pins() -> dict:
    cases: list[dict] = []

    def case(
        name: str, keys: list, text: str, pin: str | None, verdict: str | None, *, alone: bool = True, refused: str = "pin", about: str = ""
    ) -> None:
        assert all(other["name"] != name for other in cases), name
        told = {"name": name, "keyring": {"keys": keys}, "checkpoint": text, "pin": pin, "verdict": verdict}
        if verdict is None:
            told |= {"refused": refused, **({"about": about} if about else {})}
        elif verdict == "MALFORMED":
            told |= {"about": "signature"}
        cases.append({**told, "exit": 2 if verdict is None else int(verdict != "VALID"), "alone": alone})

    honest_ones(case)
    wrong_pins(case)
    impostors(case)
    changed_keys(case)
    broken_chains(case)
    bound = [{name: value for name, value in key.items() if name not in ("endorsement", "revoked")} for key in GOLDEN]
    fingerprints = [{"key": key, "fingerprint": fingerprint(key)} for key in [*bound, FIRST.jwk(), SECOND.jwk()]]
    return {"version": VERSION, "fingerprints": fingerprints, "no_names": NO_NAMES, "names": NAMES, "cases": cases}


A = FIRST.jwk()
PIN = fingerprint(A)
B, C = endorsed(SECOND, FIRST, "2025-12-01"), endorsed(THIRD, SECOND, "2026-12-01")
HONEST = [A, B, C]
BY_A, BY_B, BY_C = checkpoint(FIRST, "2025-06-01"), checkpoint(SECOND, "2026-06-01"), checkpoint(THIRD, "2027-06-01")
REVOKED = {"reason": "leaked", "revoked_at": seconds("2025-06-01")}


def honest_ones(case) -> None:
    case("nothing is pinned", HONEST, BY_A, None, "VALID")
    case("the pinned key signed", HONEST, BY_A, PIN, "VALID")
    case("the chain leads to the key that signed", HONEST, BY_C, PIN, "VALID", alone=False)
    case("the chain leads to the key that signed, the last one first", HONEST[::-1], BY_C, PIN, "VALID", alone=False)
    case("the chain leads from a key in its middle", HONEST, BY_C, fingerprint(SECOND.jwk()), "VALID", alone=False)
    case("the last key is pinned", HONEST, BY_C, fingerprint(THIRD.jwk()), "VALID")
    case("the chain does not lead back", HONEST, BY_A, fingerprint(THIRD.jwk()), "UNKNOWN_KEY", alone=False)
    case("members that are not bound change nothing", [{**A, "x5c": ["x"], "kid_note": 1}], BY_A, PIN, "VALID")
    case("members that are not bound change no link", [A, {**B, "x5c": ["x"]}, C], BY_C, PIN, "VALID", alone=False)
    case("use need not be there", [{name: value for name, value in A.items() if name != "use"}], BY_A, PIN, "VALID")
    case("the pinned key was revoked by then", [{**A, "revoked": REVOKED}], BY_A, PIN, "KEY_REVOKED")
    late = {**REVOKED, "revoked_at": seconds("2025-06-02")}
    case("the pinned key was revoked later", [{**A, "revoked": late}], BY_A, PIN, "VALID")
    case("the last key of the chain was revoked later", [A, B, {**C, "revoked": {"revoked_at": seconds("2027-07-01")}}], BY_C, PIN, "VALID", alone=False)
    case("a checkpoint of the pinned key was changed", HONEST, BY_A.replace("15842", "15843"), PIN, "INVALID_SIGNATURE")
    stranger = checkpoint(impostor("key-stranger"), "2025-06-01")
    case("a key that is not there, with a pin", HONEST, stranger, PIN, "UNKNOWN_KEY")
    other_kind = {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AA"}
    case("keys of kinds that are not known stand in the chain's way", [other_kind, A, other_kind, B, C], BY_C, PIN, "VALID", alone=False)


def wrong_pins(case) -> None:
    for name, wrong in {
        "a name": "key-2025",
        "a thumbprint": thumbprint(A),
        "upper case": PIN.upper(),
        "a prefix in upper case": PIN.replace("sha256", "SHA256"),
        "digits in upper case": "sha256:" + PIN[7:].upper(),
        "no prefix": PIN[7:],
        "a truncated one": PIN[:-1],
        "the first half": PIN[:39],
        "one digit more": PIN + "0",
        "a space before": " " + PIN,
        "a space behind": PIN + " ",
        "nothing": "",
        "the fingerprint of no key": "sha256:" + "0" * 64,
        "the fingerprint with another hash's name": "sha512:" + PIN[7:],
    }.items():
        case(f"pinned is {name}", HONEST, BY_A, wrong, None)
    case("a wrong pin, and a text that is no checkpoint", HONEST, "{}", "key-2025", None)


def impostors(case) -> None:
    for what, name in {"thumbprint": thumbprint(A), "fingerprint": PIN, "digits": PIN[7:], "SHA256:": PIN.upper()}.items():
        other, forged = impostor(name).jwk(), checkpoint(impostor(name), "2025-06-01")
        for order, keys, place in (("after", [A, other], 1), ("before", [other, A], 0)):
            for pinned, pin in {"the key": PIN, "the name": name, "nothing": None}.items():
                called = f"an impostor {order} it is named like its {what}, pinned is {pinned}"
                case(called, keys, forged, pin, None, refused="keyring", about=f"keys[{place}].kid")
        case(f"a checkpoint names a key like a {what}", [A], forged, PIN, "MALFORMED")
        case(f"a checkpoint names a key like a {what}, nothing pinned", [A], forged, None, "MALFORMED")
    other, forged = impostor("key-2025").jwk(), checkpoint(impostor("key-2025"), "2025-06-01")
    case("another key has the name of the pinned one", [other], forged, PIN, None)
    for order, keys in {"after": [A, other], "before": [other, A]}.items():
        for end, pin in {"": PIN, ", nothing pinned": None}.items():
            case(f"another key of the same name stands {order} it{end}", keys, forged, pin, None, refused="keyring", about="keys[1].kid")


def changed_keys(case) -> None:
    case("the same key stands there twice", [A, A], BY_A, PIN, None, refused="keyring", about="keys[1].kid")
    case("the same key stands there under another name", [A, {**A, "kid": "another"}], BY_A, PIN, None, refused="keyring", about="keys[1].n")
    case("its end was moved", [{**A, "exp": LATE}], checkpoint(FIRST, "2035-06-01"), PIN, None)
    case("its beginning was moved", [{**A, "nbf": 0}], checkpoint(FIRST, "2001-06-01"), PIN, None)
    rs256 = {**A, "alg": "RS256"}
    case("its algorithm was changed", [rs256], checkpoint(FIRST, "2025-06-01", alg="RS256"), PIN, None)
    longer = [{**A, "exp": LATE}, rs256]
    case("both orders of two windows, the longer one first", longer, BY_A, PIN, None, refused="keyring", about="keys[1].kid")
    case("outside of the pinned window", HONEST, checkpoint(FIRST, "2035-06-01"), PIN, "OUTSIDE_VALIDITY")


def broken_chains(case) -> None:
    other = impostor("key-2026", 2026)
    for name, keys, text in (
        ("a later key's end was moved", [A, {**B, "exp": LATE}], checkpoint(SECOND, "2035-06-01")),
        ("a later key's algorithm was changed", [A, {**B, "alg": "RS256"}], checkpoint(SECOND, "2026-06-01", alg="RS256")),
        ("a later key was replaced", [A, {**other.jwk(), "endorsement": B["endorsement"]}], checkpoint(other, "2026-06-01")),
        ("a link is missing", [A, SECOND.jwk(), C], BY_C),
        ("a link is null", [A, {**B, "endorsement": None}, C], BY_C),
        ("a key of the chain is missing", [A, C], BY_C),
        ("the endorsements go in a circle", [A, endorsed(SECOND, THIRD, "2027-02-01"), C], BY_C),
        ("a key endorsed itself", [A, endorsed(SECOND, SECOND, "2026-02-01")], BY_B),
        ("another key endorsed in its name", [A, endorsed(SECOND, other, "2025-12-01", "key-2025")], BY_B),
        ("it endorsed after its window", [A, endorsed(SECOND, FIRST, "2026-02-01")], BY_B),
        ("it endorsed in the second in which its window ended", [A, endorsed(SECOND, FIRST, "2026-01-01")], BY_B),
        ("it endorsed before its window", [A, endorsed(SECOND, FIRST, "2024-12-31")], BY_B),
        ("it endorsed when it was not trusted any more", [{**A, "revoked": REVOKED}, B], BY_B),
        ("it was revoked after it had endorsed", [{**A, "revoked": {**REVOKED, "revoked_at": 1766000000}}, B], BY_B),
        ("the key in the middle was revoked", [A, {**B, "revoked": {"revoked_at": LATE}}, C], BY_C),
        ("the header says another algorithm", [A, endorsed(SECOND, FIRST, "2025-12-01", alg="RS256")], BY_B),
        ("it endorsed another key", [A, {**C, "endorsement": B["endorsement"]}], BY_C),
        ("a byte of the endorsement's signature was changed", [A, {**B, "endorsement": flipped(B["endorsement"])}], BY_B),
    ):
        case(name, keys, text, PIN, "UNKNOWN_KEY", alone=False)
    first_second = endorsed(SECOND, FIRST, "2025-01-01")
    case("it endorsed in the first second of its window", [A, first_second], BY_B, PIN, "VALID", alone=False)
    case("a chain is broken, and nothing is pinned", [A, SECOND.jwk(), C], BY_C, None, "VALID")


def flipped(compact: str) -> str:
    """With another digit in the middle of its signature."""
    at = compact.rindex(".") + 100
    return compact[:at] + ("A" if compact[at] != "A" else "B") + compact[at + 1 :]
