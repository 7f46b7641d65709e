"""Writes the forged keyrings and their verdicts into tests/golden/pins.json, with cryptography and the standard library.

    python tests/python/pins.py

The keys are new each time, so this is run when a case is added, and no test runs it. `fingerprints`, `no_names` and `names` stay.
A case: the verdict on a checkpoint, given a keyring and a pin; no verdict where nothing may be verified (exit 2). `alone` says
whether the pinned key signed it itself, which is what the recipes of examples/ look at; they follow no endorsements.
"""

import base64
import hashlib
import json
from calendar import timegm
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

FILE = Path(__file__).parents[1] / "golden" / "pins.json"


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value: object) -> str:
    """RFC 8785, for texts of ASCII and integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def seconds(date: str) -> int:
    year, month, day = (int(part) for part in date.split("-"))
    return timegm((year, month, day, 0, 0, 0))


def jwk(private: rsa.RSAPrivateKey, kid: str, year: int, alg: str = "PS256") -> dict:
    numbers = private.public_key().public_numbers()
    n, e = (encode(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    nbf, exp = seconds(f"{year}-01-01"), seconds(f"{year + 1}-01-01")
    return {"alg": alg, "e": e, "exp": exp, "kid": kid, "kty": "RSA", "n": n, "nbf": nbf, "use": "sig"}


def fingerprint(key: dict) -> str:
    bound = {name: key[name] for name in ("alg", "e", "exp", "kid", "kty", "n", "nbf", "use")}
    return "sha256:" + hashlib.sha256(canonical(bound).encode()).hexdigest()


def thumbprint(key: dict) -> str:
    return encode(hashlib.sha256(canonical({name: key[name] for name in ("e", "kty", "n")}).encode()).digest())


def signed(private: rsa.RSAPrivateKey, kid: str, date: str, typ: str, payload: str, alg: str) -> tuple[str, str]:
    header = encode(canonical({"alg": alg, "iat": seconds(date), "kid": kid, "typ": typ}).encode())
    scheme = padding.PSS(padding.MGF1(SHA256()), 32) if alg == "PS256" else padding.PKCS1v15()
    signature = private.sign(f"{header}.{encode(payload.encode())}".encode(), scheme, SHA256())
    return header, encode(signature)


def checkpoint(private: rsa.RSAPrivateKey, kid: str, date: str, alg: str = "PS256") -> str:
    content = {
        "checkpoint_id": f"chk_{date}",
        "cumulative_hash": "sha256:" + "0a" * 32,
        "entry_count": 15842,
        "ledger_id": "org_xyz789",
        "organization_summaries": [],
        "timestamp": f"{date}T00:00:00Z",
        "total_volume": 284729340,
    }
    header, signature = signed(private, kid, date, "ledger-checkpoint+jws", canonical(content), alg)
    return canonical({**content, "signature": f"{header}..{signature}"})


def endorsed(key: dict, by: rsa.RSAPrivateKey, kid: str, date: str) -> dict:
    header, signature = signed(by, kid, date, "key-endorsement+jws", canonical(key), "PS256")
    return {**key, "endorsement": f"{header}.{encode(canonical(key).encode())}.{signature}"}


def main() -> None:
    one, two, three, other = (rsa.generate_private_key(65537, 2048) for _ in range(4))
    a, b, c = jwk(one, "key-2025", 2025), jwk(two, "key-2026", 2026), jwk(three, "key-2027", 2027)
    pin, second = fingerprint(a), endorsed(b, one, "key-2025", "2025-12-01")
    third = endorsed(c, two, "key-2026", "2026-12-01")
    honest = [a, second, third]
    by_a, by_c = checkpoint(one, "key-2025", "2025-06-01"), checkpoint(three, "key-2027", "2027-06-01")
    late = seconds("2100-01-01")
    cases: list[dict] = []

    def case(name: str, keys: list[dict], text: str, pinned: str | None, verdict: str | None, *, alone: bool = True) -> None:
        published = {"keyring": {"keys": keys}, "checkpoint": text, "pin": pinned}
        status = 2 if verdict is None else int(verdict != "VALID")
        cases.append({"name": name, **published, "verdict": verdict, "exit": status, "alone": alone})

    case("nothing is pinned", honest, by_a, None, "VALID")
    case("the pinned key signed", honest, by_a, pin, "VALID")
    case("the chain leads to the key that signed", honest, by_c, pin, "VALID", alone=False)
    case("the chain does not lead back", honest, by_a, fingerprint(c), "UNKNOWN_KEY", alone=False)
    case("members that are not bound change nothing", [{**a, "x5c": ["x"], "kid_note": 1}], by_a, pin, "VALID")
    case("use need not be there", [{k: v for k, v in a.items() if k != "use"}], by_a, pin, "VALID")
    revoked = {"reason": "leaked", "revoked_at": seconds("2025-06-01")}
    case("the pinned key was revoked by then", [{**a, "revoked": revoked}], by_a, pin, "KEY_REVOKED")

    for name, wrong in {
        "a name": "key-2025",
        "a thumbprint": thumbprint(a),
        "upper case": pin.upper(),
        "a prefix in upper case": pin.replace("sha256", "SHA256"),
        "digits in upper case": "sha256:" + pin[7:].upper(),
        "no prefix": pin[7:],
        "a truncated one": pin[:-1],
        "the first half": pin[:39],
        "one digit more": pin + "0",
        "a space before": " " + pin,
        "the fingerprint of no key": "sha256:" + "0" * 64,
        "the fingerprint with another hash's name": "sha512:" + pin[7:],
    }.items():
        case(f"pinned is {name}", honest, by_a, wrong, None)

    for what, name in {"thumbprint": thumbprint(a), "fingerprint": pin, "digits": pin[7:], "SHA256:": pin.upper()}.items():
        impostor, forged = jwk(other, name, 2025), checkpoint(other, name, "2025-06-01")
        for order, keys in {"after": [a, impostor], "before": [impostor, a]}.items():
            for pinned_by in (pin, name, None):
                case(f"an impostor {order} it is named like its {what}, pinned {pinned_by}", keys, forged, pinned_by, None)
        case(f"a checkpoint names a key like a {what}", [a], forged, pin, "MALFORMED")
        case(f"a checkpoint names a key like a {what}, nothing pinned", [a], forged, None, "MALFORMED")

    impostor, forged = jwk(other, "key-2025", 2025), checkpoint(other, "key-2025", "2025-06-01")
    case("another key has the name of the pinned one", [impostor], forged, pin, None)
    for order, keys in {"after": [a, impostor], "before": [impostor, a]}.items():
        case(f"another key of the same name stands {order} it", keys, forged, pin, None)
        case(f"another key of the same name stands {order} it, nothing pinned", keys, forged, None, None)
    case("the same key stands there twice", [a, a], by_a, pin, None)
    case("the same key stands there under another name", [a, {**a, "kid": "another"}], by_a, pin, None)

    case("its end was moved", [{**a, "exp": late}], checkpoint(one, "key-2025", "2035-06-01"), pin, None)
    case("its beginning was moved", [{**a, "nbf": 0}], checkpoint(one, "key-2025", "2001-06-01"), pin, None)
    rs256 = {**a, "alg": "RS256"}
    case("its algorithm was changed", [rs256], checkpoint(one, "key-2025", "2025-06-01", "RS256"), pin, None)
    longer = [rs256, {**a, "exp": late}]
    case("both orders of two windows, the longer one first", longer[::-1], by_a, pin, None)
    case("outside of the pinned window", honest, checkpoint(one, "key-2025", "2035-06-01"), pin, "OUTSIDE_VALIDITY")

    by_b = checkpoint(two, "key-2026", "2026-06-01")
    moved = {**second, "exp": late}
    broken = {
        "a later key's end was moved": ([a, moved], checkpoint(two, "key-2026", "2035-06-01")),
        "a later key's algorithm was changed": (
            [a, {**second, "alg": "RS256"}],
            checkpoint(two, "key-2026", "2026-06-01", "RS256"),
        ),
        "a later key was replaced": (
            [a, {**jwk(other, "key-2026", 2026), "endorsement": second["endorsement"]}],
            checkpoint(other, "key-2026", "2026-06-01"),
        ),
        "a link is missing": ([a, b, third], by_c),
        "a key of the chain is missing": ([a, third], by_c),
        "the endorsements go in a circle": (
            [a, endorsed(b, three, "key-2027", "2027-02-01"), endorsed(c, two, "key-2026", "2026-12-01")],
            by_c,
        ),
        "a key endorsed itself": ([a, endorsed(b, two, "key-2026", "2026-02-01")], by_b),
        "another key endorsed in its name": ([a, endorsed(b, other, "key-2025", "2025-12-01")], by_b),
        "it endorsed after its window": ([a, endorsed(b, one, "key-2025", "2026-02-01")], by_b),
        "it endorsed when it was not trusted any more": ([{**a, "revoked": revoked}, second], by_b),
        "it was revoked after it had endorsed": ([{**a, "revoked": {**revoked, "revoked_at": 1766000000}}, second], by_b),
    }
    for name, (keys, text) in broken.items():
        case(name, keys, text, pin, "UNKNOWN_KEY", alone=False)

    kept = json.loads(FILE.read_text())
    rows = {**{name: kept[name] for name in ("fingerprints", "no_names", "names")}, "cases": cases}
    listed = (",\n    ".join(json.dumps(row, ensure_ascii=False) for row in rows[name]) for name in rows)
    text = ",\n".join(f'  "{name}": [\n    {lines}\n  ]' for name, lines in zip(rows, listed, strict=True))
    FILE.write_text(f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    main()
