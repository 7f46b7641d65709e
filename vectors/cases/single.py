"""Checkpoints one by one."""

import base64
import hashlib
import json

from .signing import FIRST, OTHER, SECOND, SHA1_INFO, VERSION, Key, canonical, content, encode, published, seconds

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

    def case(name: str, text: str | bytes | list, verdict: str, keyring: str = "honest", about: str | None = "json") -> None:
        """`about`: what a message about something MALFORMED has to name, a member or `json`."""
        assert all(other["name"] != name for other in cases), name
        forms = {str: "published", list: "published_pieces", bytes: "published_base64"}
        told = {forms[type(text)]: base64.b64encode(text).decode() if isinstance(text, bytes) else text}
        named = {"about": about} if verdict == "MALFORMED" and about else {}
        cases.append({"name": name, "keyring": keyring, **told, "verdict": verdict, **named})

    valid(case)
    times(case)
    signatures(case)
    headers(case)
    members(case)
    texts(case)
    bounds(case)
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
        "as deep as may be": {"deep": nested(16)},
        "a member of a member that is named signature": {"note": {"signature": "a..b"}},
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
        ("in the first second that has a date", -8_334_601_228_800, "OUTSIDE_VALIDITY"),
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
    # One of 256 signatures begins with a zero; those of these counts do.
    for key, day, count in ((FIRST, "2025-06-01", 52), (SECOND, "2026-06-01", 323)):
        what, short = without_zero(key, day, count)
        case(f"of a signature by {key.alg}: the zero that it begins with is missing", canonical({**what, "signature": short}), "INVALID_SIGNATURE")
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
        "with a payload of nothing": f"{plain}.e30.{signature}",
        "with dots before it": f"..{plain}..{signature}",
        "with dots behind it": f"{plain}..{signature}..",
        "of the header alone": plain,
    }.items():
        case(f"a JWS {name}", canonical({**content(), "signature": compact}), "MALFORMED", about="signature")
    # Some libraries verify the payload that stands there, and not the content beside it.
    beside = canonical({**content(total_volume=1), "signature": f"{plain}.{payload}.{signature}"})
    case("a JWS with its payload, and another content beside it", beside, "MALFORMED", about="signature")


def without_zero(key: Key, day: str, count: int) -> tuple[dict, str]:
    """A content whose signature begins with a zero byte, and the signature without it."""
    what = content(day, entry_count=count)
    head, _, signature = key.jws(canonical(what), day).rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    assert raw[0] == 0
    return what, f"{head}.{encode(raw[1:])}"


def unused_bits(last: str) -> str:
    """The next digit of base64url, of which a decoder that does not look takes the same bytes."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return digits[digits.index(last) + 1]


def headers(case) -> None:
    at = "2025-06-02"

    def with_header(name: str, header: str, verdict: str) -> None:
        case(f"a header {name}", published(FIRST, header=header), verdict, about="signature")

    with_header("with a member that is not known", FIRST.header(at, more={"a": [1, "\u00e4"]}), "VALID")
    # What names or brings a key is not heeded, whatever it is.
    for member in ("jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "cty", "zip"):
        for value in (None, True, 1, "x", ["x"], {"kty": "RSA"}):
            told = json.dumps(value)
            with_header(f"with {member} {told}", FIRST.header(at, **{member: value}), "VALID")
    with_header("with white space", json.dumps(json.loads(FIRST.header(at)), indent=2), "VALID")
    with_header("with its members in another order", json.dumps(dict(reversed(json.loads(FIRST.header(at)).items()))), "VALID")
    with_header("with a time that is written 1748822400.0", FIRST.header(at).replace(str(seconds(at)), f"{seconds(at)}.0"), "VALID")
    for member in ("alg", "iat", "kid", "typ"):
        with_header(f"without {member}", FIRST.header(at, **{member: ...}), "MALFORMED")
        with_header(f"with {member} null", FIRST.header(at, **{member: None}), "MALFORMED")
        again = f"{json.dumps(member)}:{json.dumps(json.loads(FIRST.header(at))[member])}"
        with_header(f"with {member} twice", FIRST.header(at).replace("{", "{" + again + ",", 1), "MALFORMED")
    for kid in ("toString", "constructor", "hasOwnProperty", "k" * 128, "A.b_c:d-9"):
        with_header(f"with the kid {kid[:20]!r} of no key", FIRST.header(at, kid=kid), "UNKNOWN_KEY")
    for alg in ("toString", "__proto__", "RS512", "PS256 ", ["PS256"], "none", "None", "HS256", "ES256", "PS384", "ps256", "", 1):
        with_header(f"with alg {alg!r}", FIRST.header(at, alg=alg), "MALFORMED")
    for typ in ("JWT", "key-endorsement+jws", "application/ledger-checkpoint+jws", "LEDGER-CHECKPOINT+JWS", ""):
        with_header(f"with typ {typ!r}", FIRST.header(at, typ=typ), "MALFORMED")
    for name, iat in {"as text": "1748822400", "with a fraction": 1748822400.5, "beyond dates": 8_210_266_876_800, "before dates": -8_334_601_228_801, "beyond 2^53": 2**53, "true": True}.items():
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
        case(f"{member} is missing", published(FIRST, content(**{member: ...})), "MALFORMED", about=member)
        for value in values:
            told = json.dumps(value)
            told = told if len(told) < 40 else f"{told[:20]}... of {len(value)} characters"
            case(f"{member} is {told}", published(FIRST, content(**{member: value})), "MALFORMED", about=member)
    plain = content()
    case("all members are missing", "{}", "MALFORMED", about=None)
    case("the signature is missing", canonical(plain), "MALFORMED", about="signature")
    for value in (None, 1, [], {}, ["a..b"]):
        case(f"the signature is {json.dumps(value)}", canonical({**plain, "signature": value}), "MALFORMED", about="signature")
    for member in (*plain, "signature"):
        again = json.loads(published(FIRST))[member]
        case(f"{member} stands twice", published(FIRST).replace("{", "{" + json.dumps(member) + ":" + json.dumps(again) + ",", 1), "MALFORMED", about=member)
    case("a member that is not known stands twice", published(FIRST, content(note=1)).replace("{", '{"note":1,', 1), "MALFORMED", about="note")
    case("a member stands twice, once with an escape", published(FIRST, content(note=1)).replace("{", '{"n\\u006fte":1,', 1), "MALFORMED", about="note")
    case("a member of a member stands twice", published(FIRST, content(a={"b": 1})).replace('{"b":1}', '{"b":1,"b":1}'), "MALFORMED", about="a")
    case("a number of a larger power of ten in a member that is not known", published(FIRST, content(note=1)).replace('"note":1', '"note":1e21'), "MALFORMED", about="note")
    case("a number beyond 2^53-1 in a member that is not known", published(FIRST, content(note=2**53)), "MALFORMED", about="note")
    case("too deep", published(FIRST, content(deep=nested(200))), "MALFORMED", about="deep")


def texts(case) -> None:
    text = published(FIRST)
    for name, broken in {
        "null": "null", "a number": "1", "a text": '"a"',
        "an array in an array": f"[[{text}]]", "cut off": text[:-1], "with something behind it": text + "x", "with a comma behind it": text + ",",
        "with a comma before its end": text[:-1] + ",}", "in other quotes": text.replace('"', "'"), "with a comment": "/* a */" + text,
        "with a control character in a text": published(FIRST, content(note="a")).replace('"note":"a"', '"note":"a\tb"'),
        "with an escape that there is not": published(FIRST, content(note="a")).replace('"note":"a"', '"note":"\\x61"'),
        "with NaN": published(FIRST, content(note=1)).replace('"note":1', '"note":NaN'),
        "with Infinity": published(FIRST, content(note=1)).replace('"note":1', '"note":Infinity'),
        "with a number that begins with 0": published(FIRST).replace("15842", "015842"),
        "with a number that begins with +": published(FIRST).replace("15842", "+15842"),
        "with a number that ends with a dot": published(FIRST).replace("15842", "15842."),
        "with a space that is none of JSON": "\u00a0" + text,
    }.items():
        case(f"a text: {name}", broken, "MALFORMED")
    for name, half in {"half a surrogate": "\\ud83d", "surrogates in the wrong order": "\\ude00\\ud83d"}.items():
        case(f"a text: with {name}", published(FIRST, content(note="a")).replace('"note":"a"', f'"note":"{half}"'), "MALFORMED", about=None)
    case("a text: with a number that no double holds", published(FIRST, content(note=1)).replace('"note":1', '"note":1e400'), "MALFORMED", about=None)
    for name, data in {
        "with a byte order mark": b"\xef\xbb\xbf" + text.encode(), "in UTF-16": text.encode("utf-16"), "with a byte that is no UTF-8": text.encode().replace(b"chk_", b"chk\xff"),
        "with a surrogate in UTF-8": published(FIRST, content(note="a")).encode().replace(b'"note":"a"', b'"note":"\xed\xa0\x80"'),
        "with a NUL behind it": text.encode() + b"\0", "of zeros": bytes(64),
    }.items():
        case(f"bytes: {name}", data, "MALFORMED")


def bounds(case) -> None:
    """Where a bound ends. A text of pieces: each with how often it stands there."""
    def with_values(count: int) -> list:
        zeros = canonical(content(note=[0] * count))
        before, after = canonical({**content(note=[]), "signature": FIRST.jws(zeros, "2025-06-02")}).split('"note":[')
        return [[f'{before}"note":[', 1], ["0,", count - 1], [f"0{after}", 1]]

    # The object, its seven members, the signature and the array are values as well.
    case("as many values as may be", with_values(65536 - 1), "VALID")
    case("a value too many", with_values(65536), "MALFORMED")

    def with_bytes(count: int) -> list:
        """A payload of so many bytes."""
        length = count - len(canonical(content(note="")))
        signature = FIRST.jws(canonical(content(note="n" * length)), "2025-06-02")
        before, after = canonical({**content(note="-"), "signature": signature}).split('"note":"-"')
        return [[f'{before}"note":"', 1], ["n", length], [f'"{after}', 1]]

    case("as many bytes as may be", with_bytes(512 * 1024), "VALID")
    case("a byte too many", with_bytes(512 * 1024 + 1), "MALFORMED", about="checkpoint")
    case("white space up to 1 MiB", [[published(FIRST), 1], [" ", 2**20 - len(published(FIRST))]], "VALID")
    case("white space beyond 1 MiB", [[published(FIRST), 1], [" ", 2**20 - len(published(FIRST)) + 1]], "MALFORMED")
    case("a depth too many", published(FIRST, content(deep=nested(17))), "MALFORMED", about="deep")
    case("as deep as may be, of objects", published(FIRST, content(deep=named(16))), "VALID")
    case("a depth too many, of objects", published(FIRST, content(deep=named(17))), "MALFORMED", about="deep")
    # Where a language bounds how deep functions may call one another, some depth is too much for one part of a reader and not for the one before it.
    for depth in (300, 500, 700, 900):
        case(f"far too deep, {depth} objects", published(FIRST, content(deep=named(depth))), "MALFORMED", about="deep")


def named(depth: int) -> dict:
    return {"a": named(depth - 1)} if depth > 1 else {}
