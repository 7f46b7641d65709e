"""The format, as the contract has it, with the standard library alone: keys that sign, keyrings, checkpoints.

RSA is written out here, with a salt that is the hash of what is signed, so that everything comes out the same each time. The keys are in
keys.json; they are public, and nobody may trust them.
"""

import base64
import hashlib
import json
from calendar import timegm
from pathlib import Path

VERSION = 2
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")
KEYS = json.loads((Path(__file__).parents[1] / "keys.json").read_text(encoding="utf-8"))
# The keys of tests/golden, whose fingerprints people may have noted: a copy, so that nothing outside of this folder is needed.
COPY = Path(__file__).parent / "golden-keyring.json"
GOLDEN = json.loads(COPY.read_text(encoding="utf-8"))["keys"]


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

FIRST = Key("one", "key-2025", 2025)
SECOND = Key("two", "key-2026", 2026, "RS256")
OTHER = Key("three", "key-other", 2025)
