"""Makes the vectors of this folder, with the standard library alone: see README.md.

    python vectors/make.py          # writes them
    python vectors/make.py --check  # fails when they are other than what would be written

RSA is written out here, with a salt that is the hash of what is signed, so that everything comes out the same each time. The keys are in
keys.json; they are public, and nobody may trust them.
"""

import base64
import hashlib
import json
import sys
from calendar import timegm
from pathlib import Path

FOLDER = Path(__file__).parent
VERSION = 1
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")
KEYS = json.loads((FOLDER / "keys.json").read_text(encoding="utf-8"))


# ---- The format, as docs/format.md has it ----


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value: object) -> str:
    """RFC 8785, for integers and texts: the order of UTF-16 units is that of code points where there is none beyond U+FFFF."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seconds(text: str) -> int:
    date, _, time = text.rstrip("Z").partition("T")
    return timegm((*map(int, date.split("-")), *map(int, (time or "0:0:0").split(":")), 0, 0, 0))


def emsa_pkcs1(message: bytes, length: int, info: bytes = SHA256_INFO, hashed=hashlib.sha256) -> bytes:
    """RFC 8017, section 9.2."""
    told = info + hashed(message).digest()
    return b"\x00\x01" + b"\xff" * (length - len(told) - 3) + b"\x00" + told


def mgf1(seed: bytes, length: int) -> bytes:
    blocks = (hashlib.sha256(seed + count.to_bytes(4, "big")).digest() for count in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def emsa_pss(message: bytes, bits: int, salt_length: int = 32) -> bytes:
    """RFC 8017, section 9.1.1."""
    length = (bits + 7) // 8
    salt = (hashlib.sha256(b"salt" + message).digest() * 2)[:salt_length]
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + salt).digest()
    block = bytes(length - salt_length - 34) + b"\x01" + salt
    masked = bytearray(one ^ other for one, other in zip(block, mgf1(digest, len(block))))
    masked[0] &= 0xFF >> (8 * length - bits)
    return bytes(masked) + digest + b"\xbc"


class Key:
    """A test key: its private half, and how a keyring has the public one."""

    def __init__(self, name: str, kid: str, year: int, alg: str = "PS256") -> None:
        self.n, self.d = (int(KEYS[name][member], 16) for member in ("n", "d"))
        self.size = (self.n.bit_length() + 7) // 8
        self.kid, self.alg = kid, alg
        self.nbf, self.exp = seconds(f"{year}-01-01"), seconds(f"{year + 1}-01-01")

    def jwk(self, **changed: object) -> dict:
        modulus = encode(self.n.to_bytes(self.size, "big"))
        key = {"alg": self.alg, "e": "AQAB", "exp": self.exp, "kid": self.kid, "kty": "RSA", "n": modulus, "nbf": self.nbf, "use": "sig"}
        return {name: value for name, value in {**key, **changed}.items() if value is not None}

    def sign(self, message: bytes, alg: str | None = None, **how: object) -> bytes:
        if (alg or self.alg) == "PS256":
            block = emsa_pss(message, self.n.bit_length() - 1, **how)
        else:
            block = emsa_pkcs1(message, self.size, **how)
        return pow(int.from_bytes(block, "big"), self.d, self.n).to_bytes(self.size, "big")

    def header(self, at: object, **changed: object) -> str:
        header = {"alg": self.alg, "iat": seconds(at) if isinstance(at, str) else at, "kid": self.kid, "typ": "ledger-checkpoint+jws"}
        return canonical({name: value for name, value in {**header, **changed}.items() if value is not ...})

    def jws(self, payload: str, at: object, header: str | None = None, **how: object) -> str:
        head = encode((self.header(at) if header is None else header).encode())
        return f"{head}..{encode(self.sign(f'{head}.{encode(payload.encode())}'.encode(), **how))}"

    def endorses(self, jwk: dict, at: str) -> dict:
        head = encode(canonical({"alg": self.alg, "iat": seconds(at), "kid": self.kid, "typ": "key-endorsement+jws"}).encode())
        body = encode(canonical(jwk).encode())
        return {**jwk, "endorsement": f"{head}.{body}.{encode(self.sign(f'{head}.{body}'.encode()))}"}


def content(day: str = "2025-06-01", **changed: object) -> dict:
    content = {
        "checkpoint_id": f"chk_{day}",
        "cumulative_hash": "sha256:" + "0a" * 32,
        "entry_count": 15842,
        "ledger_id": "org_xyz789",
        "organization_summaries": [],
        "timestamp": f"{day}T23:59:59Z",
        "total_volume": 284729340,
    }
    return {name: value for name, value in {**content, **changed}.items() if value is not ...}


def published(key: Key, what: dict | None = None, at: object = "2025-06-02T04:00:00Z", **how: object) -> str:
    what = content() if what is None else what
    return canonical({**what, "signature": key.jws(canonical(what), at, **how)})


# ---- One by one ----


FIRST = Key("one", "key-2025", 2025)
SECOND = Key("two", "key-2026", 2026, "RS256")
OTHER = Key("three", "key-other", 2025)
REVOKED_AT = "2025-09-01T12:00:00Z"
HONEST = [FIRST.jwk(), SECOND.jwk()]
KEYRINGS = {
    "honest": {"keys": HONEST},
    "revoked": {"keys": [FIRST.jwk(revoked={"reason": "leaked", "revoked_at": seconds(REVOKED_AT)}), SECOND.jwk()]},
    "second alone": {"keys": [SECOND.jwk()]},
    "with kinds that are not known": {
        "keys": [{"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44", "pub": "AA"}, {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": "AA"}, *HONEST],
        "more": {"a": 1},
    },
}


def single() -> dict:
    cases: list[dict] = []

    def case(name: str, text: str | bytes, verdict: str, keyring: str = "honest") -> None:
        assert all(other["name"] != name for other in cases), name
        told = {"published": text} if isinstance(text, str) else {"published_base64": base64.b64encode(text).decode()}
        cases.append({"name": name, "keyring": keyring, **told, "verdict": verdict})

    valid(case)
    times(case)
    signatures(case)
    headers(case)
    members(case)
    texts(case)
    return {"version": VERSION, "keyrings": KEYRINGS, "cases": cases}


def valid(case) -> None:
    case("PS256", published(FIRST), "VALID")
    case("RS256", published(SECOND, content("2026-06-01"), "2026-06-02"), "VALID")
    case("beside keys of kinds that are not known", published(FIRST), "VALID", "with kinds that are not known")
    for name, changed in {
        "a volume below 0": {"total_volume": -284729340},
        "the largest numbers": {"entry_count": 2**53 - 1, "total_volume": 2**53 - 1},
        "the smallest numbers": {"entry_count": 0, "total_volume": -(2**53 - 1)},
        "the longest names": {"checkpoint_id": "c" * 128, "ledger_id": "L" * 128},
        "the shortest names": {"checkpoint_id": "0", "ledger_id": "Z"},
        "names with all that they may have": {"checkpoint_id": "a.B_c:d-9", "ledger_id": "global"},
        "the first second": {"timestamp": "1970-01-01T00:00:00Z"},
        "the last second": {"timestamp": "9999-12-31T23:59:59Z"},
        "a leap day": {"timestamp": "2024-02-29T00:00:00Z"},
        "summaries": {"organization_summaries": [{"name": "Café", "total": -5, "tags": ["a", None, True, False, {"b": []}]}]},
        "members that are not known": {"currency": "EUR", "z": {"": [], "0": {}}, "A": None},
        "texts that have to be escaped": {"note": "\b\t\n\f\r\"\\/\u0000\u001f\u007f\u2028\ufeff"},
        "texts beyond the first plane": {"note": "\U0001f600\U0010ffff"},
        "names that are other languages' own": {"__proto__": {"a": 1}, "constructor": 2, "toString": 3, "hasOwnProperty": None},
        "as deep as may be": {"deep": nested(15)},
    }.items():
        case(name, published(FIRST, content(**changed)), "VALID")
    plain = json.loads(published(FIRST))
    case("with white space", json.dumps(plain, indent=4), "VALID")
    case("with other line ends", json.dumps(plain, indent=1).replace("\n", "\r\n"), "VALID")
    case("with white space around it", f" \t\r\n{canonical(plain)}\n\n", "VALID")
    case("with its members in another order", json.dumps(dict(reversed(plain.items()))), "VALID")
    case("with escapes that need not be", canonical(plain).replace("org_xyz789", "\\u006f\\u0072g_xyz789"), "VALID")
    case("with a slash that is escaped", published(FIRST, content(note="a/b")).replace("a/b", "a\\/b"), "VALID")
    for written in ("15842.0", "1.5842e4", "158420e-1", "1.5842E+4"):
        case(f"with a number that is written {written}", published(FIRST).replace("15842", written), "VALID")
    case("with nothing written -0", published(FIRST, content(total_volume=0)).replace('"total_volume":0', '"total_volume":-0'), "VALID")
    for written, said in {"1.0": "1", "333333333.33333329": "333333333.3333333", "1E-7": "1e-7", "0.000001": "0.000001", "4.50": "4.5", "5e-324": "5e-324"}.items():
        text = canonical(content(note=0)).replace('"note":0', f'"note":{said}')
        whole = canonical({**content(note=0), "signature": FIRST.jws(text, "2025-06-02")})
        case(f"with a number that is no integer, written {written}", whole.replace('"note":0', f'"note":{written}'), "VALID")
    order = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    sorted_by_units = '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    text = canonical(content(note=0)).replace('"note":0', f'"note":{sorted_by_units}')
    case("with names in the order of UTF-16 units", canonical({**content(note=order), "signature": FIRST.jws(text, "2025-06-02")}), "VALID")


def nested(depth: int) -> list:
    return [nested(depth - 1)] if depth > 1 else []


def times(case) -> None:
    begin, end, revoked = FIRST.nbf, FIRST.exp, seconds(REVOKED_AT)
    for name, at, verdict in (
        ("in the first second of the window", begin, "VALID"),
        ("in the last second of the window", end - 1, "VALID"),
        ("a second before the window", begin - 1, "OUTSIDE_VALIDITY"),
        ("in the second in which the window ends", end, "OUTSIDE_VALIDITY"),
        ("at second 0", 0, "OUTSIDE_VALIDITY"),
        ("before 1970", -1, "OUTSIDE_VALIDITY"),
        ("in the last second that has a date", 8_210_266_876_799, "OUTSIDE_VALIDITY"),
    ):
        case(f"signed {name}", published(FIRST, at=at), verdict)
    for name, at, verdict in (
        ("a second before its key was withdrawn", revoked - 1, "VALID"),
        ("in the second in which its key was withdrawn", revoked, "KEY_REVOKED"),
        ("after its key was withdrawn", revoked + 1, "KEY_REVOKED"),
        ("after its key was withdrawn, outside of the window", end, "OUTSIDE_VALIDITY"),
    ):
        case(f"signed {name}", published(FIRST, at=at), verdict, "revoked")
    case("changed, by a key that was withdrawn", published(FIRST, at=revoked).replace("15842", "15843"), "INVALID_SIGNATURE", "revoked")
    case("dated before the checkpoint's own time", published(FIRST, content("2025-07-01"), "2025-06-01"), "VALID")


def signatures(case) -> None:
    text = published(FIRST)
    for name, other in {
        "checkpoint_id": ("chk_2025-06-01", "chk_2025-06-02"),
        "ledger_id": ("org_xyz789", "org_xyz788"),
        "timestamp": ("T23:59:59Z", "T23:59:58Z"),
        "cumulative_hash": ("0a0a", "0a0b"),
        "entry_count": ("15842", "15843"),
        "total_volume": ("284729340", "-284729340"),
        "organization_summaries": ("[]", "[{}]"),
    }.items():
        case(f"{name} was changed", text.replace(*other, 1), "INVALID_SIGNATURE")
    case("a member was added", text.replace("{", '{"a":1,', 1), "INVALID_SIGNATURE")
    case("a member was taken away", published(FIRST, content(note=1)).replace(',"note":1', ""), "INVALID_SIGNATURE")
    case("a member that is not known was changed", published(FIRST, content(note=1)).replace('"note":1', '"note":2'), "INVALID_SIGNATURE")
    case("a text was normalized", published(FIRST, content(note="e\u0301")).replace("e\u0301", "\u00e9"), "INVALID_SIGNATURE")
    case("another key's signature under this one's name", published(OTHER, header=FIRST.header("2025-06-02")), "INVALID_SIGNATURE")
    case("by a key that is not there", published(OTHER), "UNKNOWN_KEY")
    case("by a key that this keyring lacks", text, "UNKNOWN_KEY", "second alone")
    case("the name of the key in other letters", published(FIRST, header=FIRST.header("2025-06-02", kid="KEY-2025")), "UNKNOWN_KEY")
    case("by RS256 with a key for PS256", published(FIRST, header=FIRST.header("2025-06-02", alg="RS256"), alg="RS256"), "ALGORITHM_MISMATCH")
    case("by PS256 with a key for RS256", published(SECOND, at="2026-06-02", header=SECOND.header("2026-06-02", alg="PS256"), alg="PS256"), "ALGORITHM_MISMATCH")
    case("the header says PS256, the signature is by RS256", published(FIRST, alg="RS256"), "INVALID_SIGNATURE")
    case("the header says RS256, the signature is by PS256", published(SECOND, at="2026-06-02", alg="PS256"), "INVALID_SIGNATURE")
    for length in (0, 20, 31, 33, 64):
        case(f"PS256 with a salt of {length} bytes", published(FIRST, salt_length=length), "INVALID_SIGNATURE")
    case("RS256 over SHA-1", published(SECOND, at="2026-06-02", info=SHA1_INFO, hashed=hashlib.sha1), "INVALID_SIGNATURE")
    case("RS256 without the name of the hash", published(SECOND, at="2026-06-02", info=b""), "INVALID_SIGNATURE")
    indented = json.dumps(content(), indent=1)
    case("signed as it was indented, and not as RFC 8785 has it", canonical({**content(), "signature": FIRST.jws(indented, "2025-06-02")}), "INVALID_SIGNATURE")
    head, _, signature = json.loads(text)["signature"].rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))

    def with_signature(name: str, compact: str, verdict: str) -> None:
        case(name, canonical({**content(), "signature": compact}), verdict)

    for at in (0, 100, len(raw) - 1):
        flipped = bytes(byte ^ (at == index) for index, byte in enumerate(raw))
        with_signature(f"a bit of byte {at} of the signature was changed", f"{head}.{encode(flipped)}", "INVALID_SIGNATURE")
    for name, other in {
        "a byte of it is missing": bytes(raw[:-1]),
        "a byte stands behind it": bytes(raw) + b"\0",
        "a zero stands before it": b"\0" + bytes(raw),
        "it is a single byte": b"\1",
        "it is 0": bytes(len(raw)),
        "it is 1": bytes(len(raw) - 1) + b"\1",
        "it is the modulus": FIRST.n.to_bytes(FIRST.size, "big"),
        "it has the modulus added": (int.from_bytes(raw, "big") + FIRST.n).to_bytes(FIRST.size + 1, "big"),
    }.items():
        with_signature(f"of the signature: {name}", f"{head}.{encode(other)}", "INVALID_SIGNATURE")
    plain = head.rstrip(".")
    payload = encode(canonical(content()).encode())
    for name, compact in {
        "nothing": "",
        "dots alone": "..",
        "without a signature": f"{plain}..",
        "without a header": f"..{signature}",
        "of two parts": f"{plain}.{signature}",
        "of four parts": f"{plain}...{signature}",
        "with its payload": f"{plain}.{payload}.{signature}",
        "with padding": f"{plain}..{signature}==",
        "with a header with padding": f"{plain}==..{signature}",
        "in the other base64": f"{plain}..{base64.b64encode(bytes(raw)).decode().rstrip('=')}" if {"-", "_"} & set(signature) else "....",
        "with white space": f"{plain}..{signature} ",
        "with a line end": f"{plain}..\n{signature}",
        "with bits behind its end": f"{plain}..{signature[:-1]}{unused_bits(signature[-1])}",
        "of too many characters": f"{plain}..{'A' * 4096}",
        "in letters of another script": f"{plain}..\u0430{signature[1:]}",
    }.items():
        with_signature(f"a JWS {name}", compact, "MALFORMED")


def unused_bits(last: str) -> str:
    """The next digit of base64url, of which a decoder that does not look takes the same bytes."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return digits[digits.index(last) + 1]


def headers(case) -> None:
    at = "2025-06-02"

    def with_header(name: str, header: str, verdict: str) -> None:
        case(f"a header {name}", published(FIRST, header=header), verdict)

    with_header("with a member that is not known", FIRST.header(at, more={"a": [1, "\u00e4"]}), "VALID")
    with_header("with white space", json.dumps(json.loads(FIRST.header(at)), indent=2), "VALID")
    with_header("with its members in another order", json.dumps(dict(reversed(json.loads(FIRST.header(at)).items()))), "VALID")
    with_header("with a time that is written 1748822400.0", FIRST.header(at).replace(str(seconds(at)), f"{seconds(at)}.0"), "VALID")
    for member in ("alg", "iat", "kid", "typ"):
        with_header(f"without {member}", FIRST.header(at, **{member: ...}), "MALFORMED")
        with_header(f"with {member} null", FIRST.header(at, **{member: None}), "MALFORMED")
        again = f"{json.dumps(member)}:{json.dumps(json.loads(FIRST.header(at))[member])}"
        with_header(f"with {member} twice", FIRST.header(at).replace("{", "{" + again + ",", 1), "MALFORMED")
    for alg in ("none", "None", "HS256", "ES256", "PS384", "ps256", "", 1):
        with_header(f"with alg {alg!r}", FIRST.header(at, alg=alg), "MALFORMED")
    for typ in ("JWT", "key-endorsement+jws", "application/ledger-checkpoint+jws", "LEDGER-CHECKPOINT+JWS", ""):
        with_header(f"with typ {typ!r}", FIRST.header(at, typ=typ), "MALFORMED")
    for name, iat in {"as text": "1748822400", "with a fraction": 1748822400.5, "beyond dates": 8_210_266_876_800, "beyond 2^53": 2**53, "true": True}.items():
        with_header(f"with a time {name}", FIRST.header(0, iat=iat), "MALFORMED")
    thumb = encode(hashlib.sha256(b"x").digest())
    for kid in ("", "a b", "-a", "k" * 129, "\u00e4", 7, thumb, "sha256:" + "0" * 64, "my-fingerprint"):
        with_header(f"with kid {str(kid)[:20]!r}", FIRST.header(at, kid=kid), "MALFORMED")
    with_header("that asks for an extension (crit)", FIRST.header(at, crit=["b64"], b64=False), "MALFORMED")
    with_header("with an empty crit", FIRST.header(at, crit=[]), "MALFORMED")
    with_header("with b64 false (RFC 7797)", FIRST.header(at, b64=False), "MALFORMED")
    with_header("with b64 true (RFC 7797)", FIRST.header(at, b64=True), "MALFORMED")
    for name, header in {"that is no JSON": "{", "that is an array": "[]", "that is empty": "", "that ends in a comma": FIRST.header(at)[:-1] + ",}"}.items():
        with_header(name, header, "MALFORMED")


def members(case) -> None:
    bad = {
        "checkpoint_id": ("", "-a", "a b", "a/b", "\u00e4", "a\n", "c" * 129, 1, None, []),
        "ledger_id": ("", "_a", ".", "l" * 129, 1, None, {}),
        "timestamp": (
            "2025-06-01", "2025-06-01T23:59:59", "2025-06-01T23:59:59.0Z", "2025-06-01T23:59:59+00:00", "2025-06-01t23:59:59z",
            "2025-06-01 23:59:59Z", "2025-06-01T23:59:60Z", "2025-06-01T24:00:00Z", "2025-02-29T00:00:00Z", "2025-6-01T00:00:00Z",
            "1969-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "\u0662025-06-01T00:00:00Z", "2025-06-01T00:00:00Z\n", "", 1748822400, None,
        ),
        "cumulative_hash": ("", "sha256:", "0a" * 32, "sha256:" + "0A" * 32, "SHA256:" + "0a" * 32, "sha256:" + "0a" * 31, "sha256:" + "0a" * 33, "sha512:" + "0a" * 32, 1, None),
        "entry_count": (-1, 1.5, 2**53, "15842", None, True, []),
        "total_volume": (0.5, 2**53, -(2**53), "0", None, False, {}),
        "organization_summaries": ({}, "", None, 0, [1], [None], [[]], ["a"]),
    }
    for member, values in bad.items():
        case(f"{member} is missing", published(FIRST, content(**{member: ...})), "MALFORMED")
        for value in values:
            told = json.dumps(value)
            told = told if len(told) < 40 else f"{told[:20]}... of {len(value)} characters"
            case(f"{member} is {told}", published(FIRST, content(**{member: value})), "MALFORMED")
    plain = content()
    case("the signature is missing", canonical(plain), "MALFORMED")
    for value in (None, 1, [], {}, ["a..b"]):
        case(f"the signature is {json.dumps(value)}", canonical({**plain, "signature": value}), "MALFORMED")
    for member in (*plain, "signature"):
        again = json.loads(published(FIRST))[member]
        case(f"{member} stands twice", published(FIRST).replace("{", "{" + json.dumps(member) + ":" + json.dumps(again) + ",", 1), "MALFORMED")
    case("a member that is not known stands twice", published(FIRST, content(note=1)).replace("{", '{"note":1,', 1), "MALFORMED")
    case("a member stands twice, once with an escape", published(FIRST, content(note=1)).replace("{", '{"n\\u006fte":1,', 1), "MALFORMED")
    case("a member of a member stands twice", published(FIRST, content(a={"b": 1})).replace('{"b":1}', '{"b":1,"b":1}'), "MALFORMED")
    case("a number of a larger power of ten in a member that is not known", published(FIRST, content(note=1)).replace('"note":1', '"note":1e21'), "MALFORMED")
    case("a number beyond 2^53-1 in a member that is not known", published(FIRST, content(note=2**53)), "MALFORMED")
    case("too deep", published(FIRST, content(deep=nested(200))), "MALFORMED")


def texts(case) -> None:
    text = published(FIRST)
    for name, broken in {
        "an object without members": "{}", "null": "null", "a number": "1", "a text": '"a"',
        "an array in an array": f"[[{text}]]", "cut off": text[:-1], "with something behind it": text + "x", "with a comma behind it": text + ",",
        "with a comma before its end": text[:-1] + ",}", "in other quotes": text.replace('"', "'"), "with a comment": "/* a */" + text,
        "with a control character in a text": published(FIRST, content(note="a")).replace('"note":"a"', '"note":"a\tb"'),
        "with half a surrogate": published(FIRST, content(note="a")).replace('"note":"a"', '"note":"\\ud83d"'),
        "with surrogates in the wrong order": published(FIRST, content(note="a")).replace('"note":"a"', '"note":"\\ude00\\ud83d"'),
        "with an escape that there is not": published(FIRST, content(note="a")).replace('"note":"a"', '"note":"\\x61"'),
        "with NaN": published(FIRST, content(note=1)).replace('"note":1', '"note":NaN'),
        "with Infinity": published(FIRST, content(note=1)).replace('"note":1', '"note":Infinity'),
        "with a number that is too large": published(FIRST, content(note=1)).replace('"note":1', '"note":1e400'),
        "with a number that begins with 0": published(FIRST).replace("15842", "015842"),
        "with a number that begins with +": published(FIRST).replace("15842", "+15842"),
        "with a number that ends with a dot": published(FIRST).replace("15842", "15842."),
        "with a space that is none of JSON": "\u00a0" + text,
    }.items():
        case(f"a text: {name}", broken, "MALFORMED")
    for name, data in {
        "with a byte order mark": b"\xef\xbb\xbf" + text.encode(), "in UTF-16": text.encode("utf-16"), "with a byte that is no UTF-8": text.encode().replace(b"chk_", b"chk\xff"),
        "with a surrogate in UTF-8": published(FIRST, content(note="a")).encode().replace(b'"note":"a"', b'"note":"\xed\xa0\x80"'),
        "with a NUL behind it": text.encode() + b"\0", "of zeros": bytes(64),
    }.items():
        case(f"bytes: {name}", data, "MALFORMED")


# ---- Seen together ----


def histories() -> dict:
    cases: list[dict] = []

    def case(name: str, what: list, *findings: tuple, copies: int = 0) -> None:
        """`what`: contents, or texts. A finding: its name, the two checkpoints by their places from 0 on, and of a GAP the days."""
        checkpoints = [one if isinstance(one, str) else published(FIRST, one) for one in what]
        told = [{"finding": found, "checkpoints": [one, other], **({"days": days[0]} if days else {})} for found, one, other, *days in findings]
        cases.append({"name": name, "keyring": "honest", "checkpoints": checkpoints, "findings": told, "copies": copies})

    def at(day: int, count: int, **changed: object) -> dict:
        hashed = "sha256:" + hashlib.sha256(str(count).encode()).hexdigest()
        return content(f"2025-06-{day:02}", **{"entry_count": count, "cumulative_hash": hashed, **changed})

    x, other = {"cumulative_hash": "sha256:" + "ee" * 32}, {"ledger_id": "org_other"}
    case("nothing", [])
    case("one", [at(1, 5)])
    case("day by day", [at(1, 5), at(2, 7), at(3, 7, checkpoint_id="quiet")])
    case("in another order", [at(3, 9), at(1, 5), at(2, 7)])
    case("the same twice", [at(1, 5), at(1, 5)], copies=1)
    case("the same thrice, in other white space", [at(1, 5), json.dumps(json.loads(published(FIRST, at(1, 5))), indent=1), at(1, 5)], copies=2)
    again = published(FIRST, at(1, 5), at="2025-06-03")
    case("the same, signed twice", [at(1, 5), again], copies=1)
    case("two ledgers, each by itself", [at(1, 5), at(1, 3, **other)])
    case("a day is missing", [at(1, 5), at(3, 7)], ("GAP", 0, 1, 1))
    case("a month is missing, later ones first", [at(28, 9), at(1, 5)], ("GAP", 1, 0, 26))
    case("two on one day", [at(1, 5), content("2025-06-01", checkpoint_id="b", entry_count=6, timestamp="2025-06-01T12:00:00Z")], ("ENTRY_COUNT_FELL", 1, 0))
    case("the count falls", [at(1, 7), at(2, 5)], ("ENTRY_COUNT_FELL", 0, 1))
    case("the count falls and rises", [at(1, 7), at(2, 5), at(3, 6)], ("ENTRY_COUNT_FELL", 0, 1))
    case("the count falls twice", [at(1, 7), at(2, 5), at(3, 4)], ("ENTRY_COUNT_FELL", 0, 1), ("ENTRY_COUNT_FELL", 1, 2))
    case("the count falls, given in another order", [at(2, 5), at(1, 7)], ("ENTRY_COUNT_FELL", 1, 0))
    case("at one time the smaller count is first", [at(1, 7), content("2025-06-01", checkpoint_id="b", entry_count=5)])
    case("two contents of one name", [at(1, 5), at(1, 6)], ("SECOND_CONTENT", 0, 1))
    case("two contents of one name, in one place", [at(1, 5), at(1, 5, **x)], ("SECOND_CONTENT", 0, 1))
    case("two contents of one name, which differ in a member that is not known", [at(1, 5), at(1, 5, note=1)], ("SECOND_CONTENT", 0, 1))
    case("three contents of one name", [at(1, 5), at(1, 6), at(1, 7)], ("SECOND_CONTENT", 0, 1), ("SECOND_CONTENT", 0, 2))
    case("three contents of one name, with copies", [at(1, 7), at(1, 7), at(1, 5), at(1, 6), at(1, 5)], ("SECOND_CONTENT", 0, 2), ("SECOND_CONTENT", 0, 3), copies=2)
    case("one name in two ledgers", [at(1, 5), at(1, 6, **other)])
    case("two hashes in one place", [at(1, 5), at(2, 5, **x)], ("SECOND_HISTORY", 0, 1))
    case("two volumes in one place", [at(1, 5), at(2, 5, total_volume=1)], ("SECOND_HISTORY", 0, 1))
    case("three hashes in one place", [at(1, 5), at(2, 5, **x), at(3, 5, total_volume=1)], ("SECOND_HISTORY", 0, 1), ("SECOND_HISTORY", 0, 2))
    case("two hashes in one place, each under two names", [at(1, 5), at(2, 5), at(3, 5, **x), at(4, 5, **x)], ("SECOND_HISTORY", 0, 2))
    case("two hashes in one place, of one name and of others", [at(1, 5), at(1, 5, **x), at(2, 5)], ("SECOND_CONTENT", 0, 1), ("SECOND_HISTORY", 1, 2))
    case("two hashes in one place, of one name and of others behind it", [at(1, 5), at(1, 5, **x), at(2, 5, **x)], ("SECOND_CONTENT", 0, 1), ("SECOND_HISTORY", 0, 2))
    case("the same hash in two places", [at(1, 5), content("2025-06-02", entry_count=6, cumulative_hash=at(1, 5)["cumulative_hash"])])
    case("two ledgers, each with two histories", [at(1, 5), at(1, 5, **other), at(2, 5, **x, **other), at(2, 5, **x)], ("SECOND_HISTORY", 0, 3), ("SECOND_HISTORY", 1, 2))
    case("several faults of several names", [at(2, 5), at(1, 4), at(1, 6), at(2, 8)], ("SECOND_CONTENT", 0, 3), ("SECOND_CONTENT", 1, 2), ("ENTRY_COUNT_FELL", 2, 0))
    case("what is not authentic says nothing", [at(1, 5), published(FIRST, at(2, 5)).replace('"entry_count":5', '"entry_count":4'), "{}", published(OTHER, at(1, 9))])
    case("what was signed outside of the window says nothing", [at(1, 5), published(FIRST, at(1, 6), at="2026-06-01")])
    return {"version": VERSION, "keyrings": {"honest": KEYRINGS["honest"]}, "cases": cases}


def main() -> None:
    check = sys.argv[1:] == ["--check"]
    for name, made in {"single.json": single(), "histories.json": histories()}.items():
        text = json.dumps(made, indent=1, ensure_ascii=True) + "\n"
        path = FOLDER / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{name} is not what make.py makes")
        print(f"{name}: {len(made['cases'])} cases")


if __name__ == "__main__":
    main()
