"""The keyring: a JWK Set (RFC 7517) with each key's window, revocation and endorsement."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from ._bounds import check_key_id, excerpt, visible
from ._json import describe
from ._jws import ALGORITHMS, ENDORSEMENT_TYPE, Jws, JwsError, decode, encode, parse_embedded
from ._kinds import check_text, wrong_kind

MAX_KEYRING_BYTES = 16 * 1024 * 1024
"""Largest keyring file."""

_MIN_BITS, _MAX_BITS = 2048, 8192
_MIN_EXPONENT, _EXPONENT_END = 65537, 2**33
_LAST_INSTANT = 253402300799  # 9999-12-31T23:59:59Z
_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_TOLD = 10
_MAX_DEPTH = 100
"""Deepest nesting of a keyring, the set among it."""
_SALT_BYTES = 32  # RFC 7518, section 3.5
# The private members of each kind: RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2; RFC 9864.
_PRIVATE: dict[str, tuple[str, ...]] = {
    "RSA": ("d", "p", "q", "dp", "dq", "qi", "oth", "k"),
    "EC": ("d",),
    "OKP": ("d",),
    "AKP": ("priv",),
}


class KeyringError(ValueError):
    """Why something is no keyring: it names the key and the member."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


@dataclass(frozen=True)
class PublicKey:
    """One key version, as the keyring publishes it."""

    key_id: str
    algorithm: str
    """`PS256` or `RS256`: the only one that it signs with."""
    not_before: int
    """The first second, since 1970, at which it may sign."""
    expires: int
    """The first second at which it may no longer sign."""
    rsa: RSAPublicKey = field(repr=False)
    distrusted_from: int | None = None
    """Signatures of this second and later are not trusted."""
    distrust_reason: str = ""
    endorsement: Jws | None = field(default=None, repr=False)
    """By the key before it."""

    def made(self, jws: Jws) -> bool:
        """Whether this key made the signature, by its own algorithm."""
        # RFC 8017, sections 8.1.2 and 8.2.2: the signature is exactly as long as the modulus.
        if len(jws.signature) != (self.rsa.key_size + 7) // 8:
            return False
        pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=_SALT_BYTES)
        scheme = pss if self.algorithm == "PS256" else padding.PKCS1v15()
        try:
            self.rsa.verify(jws.signature, jws.signing_input(), scheme, SHA256())
        except InvalidSignature:
            return False
        return True

    def may_sign_at(self, instant: int) -> bool:
        """Whether the instant is inside of the window."""
        return self.not_before <= instant < self.expires

    def distrusted_at(self, instant: int) -> bool:
        """Whether the key was revoked by then."""
        return self.distrusted_from is not None and instant >= self.distrusted_from

    @property
    def window(self) -> str:
        """The window for a person."""
        return f"{seconds_text(self.not_before)} <= t < {seconds_text(self.expires)}"

    @property
    def fingerprint(self) -> str:
        """What to note, compare and pin: `sha256:` and 64 digits, of what an endorsement of the key signs.

        It binds the key, its name, window and algorithm.
        """
        return f"sha256:{hashlib.sha256(self.endorsed_payload()).hexdigest()}"

    @property
    def thumbprint(self) -> str:
        """The JWK thumbprint with SHA-256 (RFC 7638): of the public key alone, so that it is no pin."""
        e, n = self._numbers()
        digest = hashlib.sha256(f'{{"e":"{e}","kty":"RSA","n":"{n}"}}'.encode("ascii"))
        return encode(digest.digest())

    def endorsed_payload(self) -> bytes:
        """What an endorsement of it signs: its JWK and window, in RFC 8785 form."""
        e, n = self._numbers()
        members = {"alg": self.algorithm, "e": e, "exp": self.expires, "kid": self.key_id, "kty": "RSA"}
        members |= {"n": n, "nbf": self.not_before, "use": "sig"}
        return json.dumps(members, separators=(",", ":")).encode("ascii")

    def _numbers(self) -> tuple[str, str]:
        numbers = self.rsa.public_numbers()
        e, n = (number.to_bytes((number.bit_length() + 7) // 8, "big") for number in (numbers.e, numbers.n))
        return encode(e), encode(n)


@dataclass(frozen=True)
class SkippedKey:
    """A key of a JWK Set that is of a kind that is not known here (RFC 7517, section 5)."""

    index: int
    """Which of the set, from 0 on."""
    key_id: str | None
    why: str


class Keyring:
    """Every key version that is believed, and why others are not."""

    def __init__(
        self,
        keys: Iterable[PublicKey],
        untrusted: Mapping[str, str] | None = None,
        skipped: Iterable[SkippedKey] = (),
    ) -> None:
        self._keys = {key.key_id: key for key in keys}
        self.untrusted = dict(untrusted or {})
        """Why each key is not believed that no chain from the pinned one leads to."""
        self.skipped = tuple(skipped)
        """The keys of kinds that are not known here, which are none of this keyring."""

    def get(self, key_id: str) -> PublicKey | None:
        """One key version."""
        return self._keys.get(key_id)

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        told = ", ".join([*list(self._keys)[:_MAX_TOLD], *(["..."] if len(self) > _MAX_TOLD else [])])
        return f"Keyring({len(self)} {'key' if len(self) == 1 else 'keys'}: {told})" if told else "Keyring(no key)"

    @classmethod
    def from_jwks(cls, jwks: str | bytes | Mapping[str, object]) -> Keyring:
        """Reads what `/.well-known/jwks.json` and `keys export` give. Every key in it is believed; one of a kind that
        is not known here is skipped, and told by `skipped`.

        Raises `KeyringError`, also when a private key stands in it.
        """
        if not isinstance(jwks, (str, bytes, Mapping)):
            raise wrong_kind("keyring", jwks, "a JWK Set: its JSON as str or bytes, or the mapping that it is")
        found = jwks if isinstance(jwks, Mapping) else _parse(jwks)
        keys = found.get("keys")
        if not isinstance(keys, list):
            raise KeyringError("keyring: keys: is not an array; expected a JWK Set (RFC 7517)")
        ring: dict[str, PublicKey] = {}
        skipped: list[SkippedKey] = []
        for index, jwk in enumerate(keys):
            try:
                if not isinstance(jwk, Mapping):
                    raise ValueError(f"jwk: {describe(jwk)}; expected an object")
                why = _other_kind(jwk)
                if why is not None:
                    kid = jwk.get("kid")
                    skipped.append(SkippedKey(index, visible(kid) if isinstance(kid, str) else None, visible(why)))
                    continue
                key = _read(jwk)
                _check_conflicts(key, ring)
            except ValueError as error:
                raise KeyringError(f"keyring: keys[{index}]: {error}") from error
            ring.setdefault(key.key_id, key)
        return cls(ring.values(), skipped=skipped)

    def trust_from(self, pin: str) -> Keyring:
        """Believes the key of this fingerprint, and those that an unbroken chain of endorsements leads to from it. Keys
        before it are not believed: endorsements point forwards. Raises `KeyringError` for whatever else: a name or a
        thumbprint is no pin.
        """
        check_text("pin", pin)
        pinned = next((key for key in self if key.fingerprint == pin), None)
        if pinned is None:
            raise KeyringError(self._no_pin(pin))
        broken = {key.key_id: self._chain(key.key_id, pinned.key_id) for key in self}
        untrusted = {key_id: why for key_id, why in broken.items() if why is not None}
        return Keyring((key for key in self if key.key_id not in untrusted), untrusted, self.skipped)

    def _no_pin(self, pin: str) -> str:
        known = _FINGERPRINT.fullmatch(pin) is not None
        expected = "is not a fingerprint; expected sha256: and 64 lowercase hexadecimal digits"
        problem = "is the fingerprint of no key of the keyring" if known else expected
        meant = [key for key in self if pin in (key.key_id, key.thumbprint)] or list(self)
        told = ", ".join(f"{key.key_id} {key.fingerprint}" for key in meant[:_MAX_TOLD])
        return (
            f"pin: {pin if known else excerpt(pin)} {problem}. The keyring says of itself: {told or 'no key'}. Pin one "
            "of these only after comparing it with the fingerprint that you noted, or had from elsewhere than this "
            "keyring"
        )

    def _chain(self, key_id: str, pinned: str) -> str | None:
        """Follows the endorsements back. Each key has one, so that the way is one; longer than the ring is a circle."""
        link = key_id
        for _ in range(len(self)):
            if link == pinned:
                return None
            endorser, broken = self._link(link)
            if broken is not None:
                return broken
            link = endorser
        return None if link == pinned else f"the endorsements of {key_id} go in a circle"

    def _link(self, key_id: str) -> tuple[str, str | None]:
        key = self._keys[key_id]
        if key.endorsement is None:
            return "", f"{key_id} has no endorsement by an earlier key"
        jws = key.endorsement
        endorser = self._keys.get(jws.kid)
        if endorser is None:
            return "", f"{key_id} is endorsed by {jws.kid}, which the keyring lacks"
        problem = None
        if endorser.distrusted_from is not None:
            problem = f"is by {jws.kid}, which is revoked: whoever has that key gives what it signs any date"
        elif jws.payload != key.endorsed_payload():
            problem = f"endorses something else than {key_id} as it is known"
        elif jws.alg != endorser.algorithm or not endorser.made(jws):
            problem = f"was not made by {jws.kid}"
        elif not endorser.may_sign_at(jws.iat):
            problem = f"was made outside of the window of {jws.kid}"
        if problem is not None:
            return "", f"the endorsement of {key_id} by {jws.kid} is false: it {problem}"
        return jws.kid, None


def check_keyring(found: object) -> None:
    """Raises TypeError for what is no keyring yet."""
    if not isinstance(found, Keyring):
        raise wrong_kind("keyring", found, "a Keyring; Keyring.from_jwks(...) reads a JWK Set")


def seconds_text(seconds: int) -> str:
    """Seconds since 1970 as RFC 3339, where a date can be written."""
    try:
        instant = datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return f"{seconds} seconds from 1970"
    return instant.isoformat().replace("+00:00", "Z")


def _once(members: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands twice; expected each member once")
    return found


def _number_of(text: str) -> float:
    """However it is written. Integers of a keyring are below 2^53, so that a double holds each of them."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is a number that no double holds")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _check(value: object, depth: int = 1) -> None:
    """Of members that are not known as well: how deep they nest, and that texts are Unicode."""
    inner: list[object] = []
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list):
        inner = value
    elif isinstance(value, str):
        value.encode("utf-8")
        return
    else:
        return
    if depth > _MAX_DEPTH:
        raise ValueError(f"nests deeper than {_MAX_DEPTH}; expected fewer objects and arrays in one another")
    for member in inner:
        _check(member, depth + 1)


def _parse(text: str | bytes) -> Mapping[str, object]:
    encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(encoded) > MAX_KEYRING_BYTES:
        raise KeyringError(f"keyring: has {len(encoded)} bytes; expected at most {MAX_KEYRING_BYTES}")
    try:
        found = json.loads(
            encoded.decode("utf-8"),
            object_pairs_hook=_once,
            parse_int=_number_of,
            parse_float=_number_of,
            parse_constant=_no_constant,
        )
        _check(found)
    except (ValueError, RecursionError) as error:
        raise KeyringError(f"keyring: is not JSON: {error}") from error
    if not isinstance(found, Mapping):
        raise KeyringError(f"keyring: {describe(found)}; expected a JWK Set (RFC 7517)")
    return found


def _other_kind(jwk: Mapping[str, object]) -> str | None:
    """Why a key is of a kind that is not known here, which is skipped. One of the known kind is read or refused."""
    kty = _string(jwk, "kty")
    private = next((name for name in _PRIVATE.get(kty, ()) if name in jwk), None)
    if private is not None:
        raise ValueError(
            f"{private}: is a member of private keys; expected the public half alone. Whoever has this file may have "
            "the key: if it signs anything, revoke it and roll it over, and delete the file wherever it is"
        )
    if kty == "oct":
        return 'kty is "oct", a secret, which has no place in a keyring that is published'
    if kty != "RSA":
        return f"kty is {excerpt(kty)}"
    if jwk.get("use") is not None and _string(jwk, "use") != "sig":
        return f"use is {excerpt(_string(jwk, 'use'))}"
    acts = jwk.get("key_ops")
    if acts is not None:
        if not isinstance(acts, (list, tuple)) or not all(isinstance(act, str) for act in acts):
            raise ValueError(f"key_ops: {describe(acts)}; expected an array of texts")
        if "verify" not in acts:
            return 'key_ops has no "verify"'
    alg = jwk.get("alg")
    return f"alg is {excerpt(alg)}" if isinstance(alg, str) and alg not in ALGORITHMS else None


def _read(jwk: Mapping[str, object]) -> PublicKey:
    key_id, algorithm = _string(jwk, "kid"), _string(jwk, "alg")
    wrong = check_key_id(key_id)
    if wrong is not None:
        raise ValueError(f"kid: {wrong}")
    rsa = _public_key(_number(jwk, "n"), _number(jwk, "e"))
    not_before, expires = _integer(jwk, "nbf"), _integer(jwk, "exp")
    if expires <= not_before:
        raise ValueError(f"exp: is {expires}, which is not after nbf {not_before}; expected a later instant")
    distrusted_from, reason = _revocation(jwk)
    endorsement = jwk.get("endorsement")
    try:
        endorsed = None if endorsement is None else parse_embedded(_string(jwk, "endorsement"), ENDORSEMENT_TYPE)
    except JwsError as error:
        raise ValueError(f"endorsement: {error}") from error
    return PublicKey(
        key_id=key_id,
        algorithm=algorithm,
        not_before=not_before,
        expires=expires,
        rsa=rsa,
        distrusted_from=distrusted_from,
        distrust_reason=reason,
        endorsement=endorsed,
    )


def _revocation(jwk: Mapping[str, object]) -> tuple[int | None, str]:
    """The first second of distrust, and why."""
    revoked = jwk.get("revoked")
    if revoked is None:
        return None, ""
    if not isinstance(revoked, Mapping):
        raise ValueError(f"revoked: {describe(revoked)}; expected an object")
    try:
        distrusted_from = _integer(revoked, "revoked_at")
        return distrusted_from, "" if revoked.get("reason") is None else _string(revoked, "reason")
    except ValueError as error:
        raise ValueError(f"revoked.{error}") from error


def _check_conflicts(key: PublicKey, ring: Mapping[str, PublicKey]) -> None:
    known = ring.get(key.key_id)
    if known is not None:
        raise ValueError(f"kid: {key.key_id} stands there twice; expected each key once")
    for other in ring.values():
        if other.rsa == key.rsa:
            raise ValueError(f"n: is the key of {other.key_id} already; expected one name for one key")


def _public_key(n: int, e: int) -> RSAPublicKey:
    if not _MIN_BITS <= n.bit_length() <= _MAX_BITS:
        raise ValueError(f"n: is an RSA key of {n.bit_length()} bits; expected {_MIN_BITS} to {_MAX_BITS}")
    if e < _MIN_EXPONENT:
        raise ValueError(f"e: is {e}; expected at least {_MIN_EXPONENT}")
    if n % 2 == 0 or e % 2 == 0 or e >= _EXPONENT_END:
        raise ValueError("n: is not a usable RSA public key; expected odd numbers, and an exponent below 2^33")
    return RSAPublicNumbers(e, n).public_key()


def _number(jwk: Mapping[str, object], name: str) -> int:
    data = decode(_string(jwk, name))
    if data is None:
        raise ValueError(f"{name}: is not base64url; expected it without padding (RFC 7518, section 6.3.1)")
    return int.from_bytes(data, "big")


def _string(jwk: Mapping[str, object], name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name}: {'is missing' if value is None else describe(value)}; expected a string")
    return value


def _integer(jwk: Mapping[str, object], name: str) -> int:
    value = jwk.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name}: {'is missing' if value is None else describe(value)}; expected whole seconds")
    if value != value // 1 or not 0 <= value <= _LAST_INSTANT:
        raise ValueError(f"{name}: is {value}; expected whole seconds since 1970, up to the year 9999")
    return int(value)
