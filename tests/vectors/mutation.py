"""Cases by mutation: of contents before they are signed, of headers, of signatures, of texts and bytes, of keyrings, and of histories."""

import base64
import hashlib
import json
import random
import sys
from functools import cache
from pathlib import Path

import rfc8785
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from verifiers import ROOT, Case

sys.path.insert(0, str(ROOT / "vectors"))
from cases.pins import fingerprint  # noqa: E402
from cases.signing import KEYS, canonical, encode, seconds  # noqa: E402

WINDOW = 365 * 86400
NAMES = ("one", "two", "three", "four")
ODD_VALUES = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 2**53 - 1, 2**53, -(2**53), 1e21, 1e-7, 5e-324, 0.1, "", "a", "0", " ", "\u00e4", "e\u0301", "\U0001f600",
    "\ufeff", "\u2028", "\x00", "\x7f", "a\n", "a" * 129, "a" * 128, [], {}, [[]], [{}], [1, "a", None], {"a": 1}, {"": {}}, {"b": 1, "a": 2}, "__proto__",
)
TIMES = (
    "2025-06-01T23:59:59Z", "2025-06-01", "2025-06-01T23:59:60Z", "2025-06-01T24:00:00Z", "2025-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "2025-06-01T23:59:59z", "2025-06-01T23:59:59+00:00", "0000-01-01T00:00:00Z",
    "2025-06-31T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-10T00:00:00Z", "2025-06-01T23:60:00Z", "\u0662025-06-01T00:00:00Z", "2025-06-01T00:00:00Z ",
)
KIDS = ("key-2025", "key-2026", "KEY-2025", "", "a b", "-a", "k" * 128, "k" * 129, "sha256:x", "my-fingerprint", "deadbeef" * 5, "a" * 43, "__proto__", "toString")
MEMBERS = ("checkpoint_id", "ledger_id", "timestamp", "cumulative_hash", "entry_count", "total_volume", "organization_summaries")


@cache
def private(name: str) -> rsa.RSAPrivateKey:
    n, d = (int(KEYS[name][member], 16) for member in ("n", "d"))
    p, q = rsa.rsa_recover_prime_factors(n, 65537, d)
    iqmp, dmp1, dmq1 = rsa.rsa_crt_iqmp(p, q), rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q)
    return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, rsa.RSAPublicNumbers(65537, n)).private_key(unsafe_skip_rsa_key_validation=True)


def sign(name: str, alg: str, message: bytes, salt: int = 32) -> bytes:
    scheme = padding.PSS(padding.MGF1(SHA256()), salt) if alg == "PS256" else padding.PKCS1v15()
    return private(name).sign(message, scheme, SHA256())


def jwk(name: str, kid: str, year: int, alg: str = "PS256") -> dict:
    n = int(KEYS[name]["n"], 16)
    window = {"nbf": seconds(f"{year}-01-01"), "exp": seconds(f"{year + 1}-01-01")}
    return {"kid": kid, "kty": "RSA", "alg": alg, "use": "sig", "e": "AQAB", "n": encode(n.to_bytes(256, "big")), **window}


@cache
def endorsed(name: str, kid: str, year: int, alg: str, by: str, by_kid: str, by_alg: str, at: str) -> dict:
    key = jwk(name, kid, year, alg)
    head = encode(canonical({"alg": by_alg, "iat": seconds(at), "kid": by_kid, "typ": "key-endorsement+jws"}).encode())
    body = encode(canonical(key).encode())
    return {**key, "endorsement": f"{head}.{body}.{encode(sign(by, by_alg, f'{head}.{body}'.encode()))}"}


def honest() -> list[dict]:
    return [
        jwk("one", "key-2025", 2025),
        endorsed("two", "key-2026", 2026, "RS256", "one", "key-2025", "PS256", "2025-12-01"),
        endorsed("three", "key-2027", 2027, "PS256", "two", "key-2026", "RS256", "2026-12-01"),
    ]


SIGNERS = (("one", "key-2025", "PS256", 2025), ("two", "key-2026", "RS256", 2026), ("three", "key-2027", "PS256", 2027), ("four", "key-other", "PS256", 2025))


def is_one(text: bytes) -> bool:
    """Whether it is one checkpoint for who takes apart what may be many as well."""
    stripped = text.strip(b" \t\r\n")
    if not stripped or stripped.startswith(b"[") or text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return b"\n" not in stripped and stripped.startswith(b"{")
    is_other = isinstance(value, dict) and not {"signature", "checkpoint_id", "ledger_id", "cumulative_hash"} & value.keys()
    return isinstance(value, dict) and not (is_other and {"keys", "keyring", "checkpoints"} & value.keys())


def is_strict(text: bytes) -> bool:
    """Whether it is JSON that every reader takes for the same."""

    def once(members: list) -> dict:
        if len(dict(members)) != len(members):
            raise ValueError("twice")
        return dict(members)

    def number(text: str) -> float:
        if not abs(float(text)) < 2**53:
            raise ValueError("beyond")
        return float(text)

    def depth(value: object) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    try:
        found = json.loads(text.decode(), object_pairs_hook=once, parse_int=number, parse_float=number, parse_constant=number)
        json.dumps(found, ensure_ascii=False).encode()
        return depth(found) <= 17
    except (ValueError, RecursionError):
        return False


class Maker:
    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    # ---- Checkpoints ----

    def content(self) -> dict:
        choose = self.random.choice
        day = f"2025-{self.random.randint(1, 12):02}-{self.random.randint(1, 28):02}"
        count = self.random.randrange(10**6)
        what = {
            "checkpoint_id": f"chk_{day}",
            "cumulative_hash": f"sha256:{hashlib.sha256(str(count).encode()).hexdigest()}",
            "entry_count": count,
            "ledger_id": choose(("org_1", "org_2", "global")),
            "organization_summaries": choose(([], [{"name": "Caf\u00e9", "total": -5}], [{}, {"a": [1, {"b": None}]}])),
            "timestamp": f"{day}T23:59:59Z",
            "total_volume": self.random.randint(-(10**9), 10**9),
        }
        for _ in range(choose((0, 0, 1, 2))):
            what[choose(("note", "currency", "\u00f6", "\U0001f600", "\ufb33", "", "A", "__proto__", "toString", "a b", "1"))] = self.value()
        return what

    def value(self, depth: int = 0) -> object:
        """Any value of JSON."""
        roll = self.random.random()
        if depth < 4 and roll < 0.1:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        if depth < 4 and roll < 0.2:
            return {self.random.choice(("a", "b", "\u00e9", "", "B", "10", "9")): self.value(depth + 1) for _ in range(self.random.randrange(4))}
        if roll < 0.3:
            return self.random.choice((self.random.uniform(-1e6, 1e6), self.random.random() * 10.0 ** self.random.randint(-20, 15)))
        if roll < 0.4:
            return "".join(chr(self.random.choice((self.random.randrange(0x80), self.random.randrange(0x3000), 0x1F600))) for _ in range(5))
        if roll < 0.6:
            return self.random.randint(-(2**53), 2**53)
        return self.random.choice(ODD_VALUES)

    def changed(self, what: dict) -> dict:
        """One member is another value, or missing."""
        what = dict(what)
        member = self.random.choice((*MEMBERS, "note"))
        roll = self.random.random()
        if roll < 0.15:
            what.pop(member, None)
        elif member == "timestamp" and roll < 0.7:
            what[member] = self.random.choice(TIMES)
        elif member == "cumulative_hash" and roll < 0.6 and isinstance(what.get(member), str):
            text = what[member]
            what[member] = self.random.choice((text.upper(), text[:-1], text + "0", text[7:], text.replace("sha256", "sha512"), text[:-1] + "g", text + "\n"))
        elif member.endswith("_id") and roll < 0.6:
            what[member] = self.random.choice(("a" * 128, "a" * 129, "-a", "a b", "a/b", "A.b_c:d-9", "\u00e4", "a\u0000", "0", "", "a\n"))
        else:
            what[member] = self.value()
        return what

    def header(self, kid: str, alg: str, year: int) -> str:
        begin = seconds(f"{year}-01-01")
        at = self.random.choice((begin, begin - 1, begin + WINDOW, begin + WINDOW - 1, begin + self.random.randrange(WINDOW), begin + 10**6, begin + 10**6))
        header: dict[str, object] = {"alg": alg, "iat": at, "kid": kid, "typ": "ledger-checkpoint+jws"}
        roll = self.random.random()
        if roll < 0.15:
            choose = self.random.choice
            name = choose(("alg", "iat", "kid", "typ", "crit", "b64", "more", "jku", "iat"))
            values = {
                "alg": ("PS256", "RS256", "none", "HS256", "PS384", "toString", "", 1, None, ["PS256"]),
                "iat": (0, -1, 1.5, str(at), None, True, 8210266876799, 8210266876800, -8334601228800, -8334601228801, 2**53, at + 0.0, at / 10),
                "kid": (*KIDS, 7, None),
                "typ": ("JWT", "key-endorsement+jws", "", None, "LEDGER-CHECKPOINT+JWS", "application/ledger-checkpoint+jws"),
            }
            header[name] = choose(values.get(name, ODD_VALUES))
            if choose((False,) * 9 + (True,)):
                del header[name]
        text = json.dumps(header) if self.random.random() < 0.1 else canonical(header)
        roll = self.random.random()
        if roll < 0.03:
            member = self.random.choice(tuple(header) or ("a",))
            text = text.replace("{", "{" + json.dumps(member) + ":1,", 1)
        elif roll < 0.06:
            text = self.bytes(text.encode()).decode("utf-8", "replace")
        return text

    def published(self) -> bytes:
        name, kid, alg, year = self.random.choices(SIGNERS, (6, 3, 2, 1))[0]
        what = self.content()
        if self.random.random() < 0.15:
            what = self.changed(what)
        try:
            payload = rfc8785.dumps(what)
        except ValueError:
            payload = canonical(what).encode("utf-8", "replace")
        head = encode(self.header(kid, alg, year).encode())
        by = name if self.random.random() < 0.95 else self.random.choice(NAMES)
        how = alg if self.random.random() < 0.95 else self.random.choice(("PS256", "RS256"))
        salt = 32 if self.random.random() < 0.97 else self.random.choice((0, 20, 31, 33, 64))
        signature = sign(by, how, f"{head}.{encode(payload)}".encode(), salt)
        compact = f"{head}..{self.signature(signature)}"
        if self.random.random() < 0.04:
            compact = self.jws(compact, payload)
        if self.random.random() < 0.08:
            what = self.changed(what)
        return self.text({**what, "signature": compact} if self.random.random() < 0.99 else {**what, "signature": self.value()})

    def signature(self, data: bytes) -> str:
        roll = self.random.random()
        if roll < 0.92:
            return encode(data)
        at = self.random.randrange(len(data))
        flipped = bytes(byte ^ ((1 << at % 8) * (index == at)) for index, byte in enumerate(data))
        return encode(self.random.choice((flipped, data[1:], data[:-1], data + b"\0", b"\0" + data, bytes(len(data)), b"\xff" * len(data), b"\1")))

    def jws(self, compact: str, payload: bytes) -> str:
        """In a form that it may not have."""
        head, _, tail = compact.partition("..")
        digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = digits[(digits.index(tail[-1]) + 1) % 64]
        forms = (
            "", ".", "..", "...", f"{head}..", f"..{tail}", f"{head}.{tail}", f"{head}.{encode(payload)}.{tail}", f"{compact}.{tail}", f"{compact}=", f"{compact}==",
            f"{head}=..{tail}", f"{compact} ", f" {compact}", f"{compact}\n", f"{head}..\n{tail}", f"{compact[:-1]}{last}", compact.replace("-", "+").replace("_", "/"),
            f"{compact}{'A' * 4096}", f"\u0430{compact[1:]}", compact[:-1], compact[1:], f"{head[:-1]}..{tail}", f"{head}A..{tail}",
        )
        return self.random.choice(forms)

    def text(self, what: dict) -> bytes:
        """Written in one of the ways in which JSON is written."""
        items = list(what.items())
        if self.random.random() < 0.3:
            self.random.shuffle(items)
        indent = self.random.choice((None,) * 8 + (1, 2))
        separators = (",", ":") if indent is None and self.random.random() < 0.8 else None
        text = json.dumps(dict(items), ensure_ascii=self.random.random() < 0.3, indent=indent, separators=separators)
        if self.random.random() < 0.06:
            text = self.written_otherwise(text)
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = text.encode("utf-8", "surrogatepass")
        return self.bytes(data) if self.random.random() < 0.08 else data

    def written_otherwise(self, text: str) -> str:
        number = self.random.choice(("e0", ".0", "E+0", ".00", "e-0", "0", "e1"))
        count = self.random.choice(("entry_count", "total_volume"))
        start = text.find(f'"{count}":') + len(count) + 3
        end = start
        while end < len(text) and text[end] in "-0123456789 ":
            end += 1
        member = self.random.choice((*MEMBERS, "note", "a"))
        return self.random.choice((
            text[:end] + number + text[end:],
            text.replace("{", "{" + json.dumps(member) + ":" + json.dumps(self.value()) + ",", 1),
            text.replace("o", "\\u006f"), text.replace("/", "\\/"), text.replace("_", "\\u005F"), f" {text}\t", f"{text} x", f"{text},", text + "}", text[:-1],
            text.replace(":", ": "), "\ufeff" + text, text.replace('"', "'"), text.replace("{", '{"deep":' + "[" * 16 + "]" * 16 + ",", 1),
            text.replace("{", '{"deep":' + "[" * 17 + "]" * 17 + ",", 1), text.replace("{", '{"half":"\\ud83d",', 1), text.replace("{", '{"n":1e400,', 1),
            text.replace("{", '{"n":NaN,', 1), text.replace("{", '{"n":01,', 1), text.replace("{", '{"n":-,', 1), text.replace("{", '{"n":1.,', 1), text.replace("{", '{"n":.5,', 1),
        ))

    def bytes(self, data: bytes) -> bytes:
        """With some bytes changed, taken away, doubled."""
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            at = self.random.randrange(len(data) or 1)
            byte = bytes([self.random.choice((*b'"\\ ,{}[]:0123456789e-+.abtfn/u\xff\xc3\xa4\x00\t', self.random.randrange(256)))])
            end = min(len(data), at + self.random.randrange(1, 4))
            data = self.random.choice((data[:at] + byte + data[at + 1 :], data[:at] + data[end:], data[:end] + data[at:], data[:at] + byte + data[at:], data[:at]))
        return data

    # ---- Cases ----

    def pin(self, keys: list[dict]) -> str | None:
        """None most of the time, then that of a key, and a wrong one at times."""
        roll = self.random.random()
        if roll < 0.7 or not keys:
            return None
        found = fingerprint({"use": "sig", **self.random.choice(keys)})
        if roll < 0.97:
            return found
        return self.random.choice((found.upper(), found[7:], found[:-1], "", "key-2025", "sha256:" + "0" * 64, found + " "))

    def singles(self, count: int) -> list[Case]:
        rings = []
        for _ in range(6):
            keys = [dict(key) for key in honest()]
            if self.random.random() < 0.4:
                key = self.random.choice(keys)
                key["revoked"] = {"revoked_at": key["nbf"] + self.random.choice((0, 10**6, 10**6 + 1, WINDOW)), "reason": "\u001b[31mleaked"}
            if self.random.random() < 0.3:
                keys.insert(self.random.randrange(3), {"kty": "AKP", "kid": "key-2025", "alg": "ML-DSA-44", "pub": "AA"})
            if self.random.random() < 0.2:
                del keys[self.random.randrange(len(keys))]
            self.random.shuffle(keys)
            known = [key for key in keys if key["kty"] == "RSA"]
            rings.append((json.dumps({"keys": keys}).encode(), self.pin(known)))
        cases = []
        for at in range(count):
            ring, pin = self.random.choice(rings)
            cases.append(Case(str(at), ring, (self.published(),), pin))
        return cases

    def keyrings(self, count: int) -> list[Case]:
        texts = []
        for name, kid, alg, year in SIGNERS[:3]:
            what = {**self.content(), "note": self.random.randrange(100)}
            what = {member: value for member, value in what.items() if member in (*MEMBERS, "note")}
            head = encode(canonical({"alg": alg, "iat": seconds(f"{year}-06-01"), "kid": kid, "typ": "ledger-checkpoint+jws"}).encode())
            compact = f"{head}..{encode(sign(name, alg, f'{head}.{encode(rfc8785.dumps(what))}'.encode()))}"
            texts.append(json.dumps({**what, "signature": compact}).encode())
        return [self.keyring(str(at), texts) for at in range(count)]

    def keyring(self, name: str, texts: list[bytes]) -> Case:
        keys = [dict(key) for key in honest()]
        pin = self.pin(keys)
        key = self.random.choice(keys)
        member = self.random.choice((*key, "revoked", "key_ops", "endorsement", "d", "more", "kty", "use", "alg"))
        values: dict[str, tuple] = {
            "kid": KIDS, "kty": ("RSA", "EC", "oct", "rsa", "OKP", "AKP", "X"), "use": ("sig", "enc", "SIG", ""), "alg": ("PS256", "RS256", "PS384", "none", "ES256"),
            "e": ("AQAB", "Aw", "AQ", "AQAA", "AAEAAQ", "AQAB=", "AQAD", "AR", "AQAAAAE", "_____w", ""), "key_ops": (["verify"], ["sign"], [], "verify", [1], ["sign", "verify"]),
            "n": (key["n"][:-1], key["n"] + "=", "AA" + key["n"], key["n"][:300], keys[0]["n"], key["n"][:-1] + "A", key["n"] + "AAAA", ""),
            "nbf": (key["nbf"], key["nbf"] + 0.0, key["exp"], -1, 0, 253402300799, 253402300800, key["nbf"] + 10**7 * 2), "exp": (key["exp"], key["nbf"], 253402300799, 253402300800, 1),
            "revoked": (None, {"revoked_at": key["nbf"]}, {"revoked_at": key["exp"], "reason": 1}, {"reason": "a"}, {"revoked_at": "1"}, {"revoked_at": key["exp"], "x": {}}),
            "endorsement": (keys[1]["endorsement"], keys[2]["endorsement"], "", "a.b.c", "..", None),
        }
        roll = self.random.random()
        if roll < 0.15:
            key.pop(member, None)
        elif roll < 0.65 and member in values:
            key[member] = self.random.choice(values[member])
        elif roll < 0.75 and "endorsement" in key:
            key["endorsement"] = self.bytes(key["endorsement"].encode()).decode("utf-8", "replace")
        elif roll < 0.85:
            key[member] = self.value()
        self.random.shuffle(keys)
        if self.random.random() < 0.1:
            keys.append(self.random.choice((dict(self.random.choice(keys)), self.value(), {"kty": "FUTURE"}, {**keys[0], "kid": "another"})))
        told: dict[str, object] = {"keys": keys}
        if self.random.random() < 0.1:
            told[self.random.choice(("more", "", "Keys", "issuer"))] = self.value()
        text = json.dumps(told, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")
        if self.random.random() < 0.08:
            text = self.bytes(text)
        return Case(name, text, (self.random.choice(texts),), pin)

    # ---- Histories ----

    def histories(self, count: int) -> list[Case]:
        """Each has ledgers of its own, so that all of them may be seen at once."""
        ring = json.dumps({"keys": honest()}).encode()
        ledgers = list(range(POOL))
        self.random.shuffle(ledgers)
        cases = []
        for at in range(count):
            if len(ledgers) < 2:
                break
            mine = [pool(ledgers.pop()) for _ in range(self.random.choice((1, 1, 1, 2)))]
            texts = [self.random.choice(self.random.choice(mine)) for _ in range(self.random.randint(1, 9))]
            texts = [self.spoiled(text) if self.random.random() < 0.05 else text for text in texts]
            cases.append(Case(str(at), ring, tuple(texts), together=True))
        return cases

    def spoiled(self, text: bytes) -> bytes:
        """Not valid, or the same in other white space."""
        return self.random.choice((text.replace(b'"total_volume":', b'"total_volume":1'), b"{}", text.replace(b",", b", "), b" " + text))


POOL = 1250
OF_A_LEDGER = 24


@cache
def pool(ledger: int) -> tuple[bytes, ...]:
    """Signed checkpoints of one ledger, many of which contradict each other."""
    chosen = random.Random(f"pool {ledger}")
    texts = []
    for _ in range(OF_A_LEDGER):
        day, count = chosen.randint(1, 8), chosen.randint(1, 6)
        what = {
            "checkpoint_id": f"chk_{chosen.choice((day, chosen.randint(1, 8)))}",
            "cumulative_hash": f"sha256:{hashlib.sha256(str(count + 10 * chosen.choice((0, 0, 0, 1))).encode()).hexdigest()}",
            "entry_count": count,
            "ledger_id": f"org_{ledger}",
            "organization_summaries": [],
            "timestamp": f"2025-06-{day:02}T{chosen.choice(('23:59:59', '00:00:00', '12:00:00'))}Z",
            "total_volume": count * 10 + chosen.choice((0, 0, 0, 1)),
        }
        if chosen.random() < 0.1:
            what["note"] = chosen.randint(1, 2)
        head = encode(canonical({"alg": "PS256", "iat": seconds("2025-07-01"), "kid": "key-2025", "typ": "ledger-checkpoint+jws"}).encode())
        signature = encode(sign("one", "PS256", f"{head}.{encode(canonical(what).encode())}".encode()))
        texts.append(canonical({**what, "signature": f"{head}..{signature}"}).encode())
    return tuple(texts)
