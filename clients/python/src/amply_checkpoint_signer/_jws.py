"""The JWS of this service (RFC 7515): taken apart strictly, so that one signature has one text."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from ._bounds import check_key_id, excerpt
from ._json import Fault, JsonValue, parse_object

MAX_JWS_BYTES = 4096
"""Longest compact form but for a payload inside: a signature by an 8192 bit key, a header with the longest kid."""

CHECKPOINT_TYPE = "ledger-checkpoint+jws"
ENDORSEMENT_TYPE = "key-endorsement+jws"
ALGORITHMS = ("PS256", "RS256")

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_ALONE = 1  # A rest of one character holds no whole byte.
# The instants that the service's clock type can hold (years -262143 to 262142).
_LEAST_INSTANT, _GREATEST_INSTANT = -8_334_601_228_800, 8_210_266_876_799


class JwsError(ValueError):
    """Why a text is no JWS of this service."""


@dataclass(frozen=True)
class Jws:
    """A JWS whose header was understood; whether its signature is right is another question."""

    encoded_header: str
    alg: str
    iat: int
    kid: str
    payload: bytes
    signature: bytes

    def signing_input(self) -> bytes:
        """What is signed (RFC 7515, section 5.1, step 5)."""
        return f"{self.encoded_header}.{encode(self.payload)}".encode("ascii")


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes of base64url without padding; none when it is not in its one form."""
    if _BASE64URL.fullmatch(text) is None or len(text) % 4 == _ALONE:
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Bits that belong to no byte must be zero.
    return data if encode(data) == text else None


def parse_detached(compact: str, payload: bytes, typ: str = CHECKPOINT_TYPE) -> Jws:
    """Reads `header..signature` and puts the payload back; raises `JwsError`."""
    size = len(compact.encode("utf-8"))
    if size > MAX_JWS_BYTES:
        raise JwsError(f"has {size} bytes; expected at most {MAX_JWS_BYTES}")
    header, dots, signature = compact.partition("..")
    if not dots or "." in header or "." in signature or not signature:
        raise JwsError("is not a detached JWS; expected header..signature with an empty payload part")
    return Jws(header, *_read_header(_part(header, "header"), typ), payload, _part(signature, "signature"))


def parse_embedded(compact: str, typ: str) -> Jws:
    """Reads `header.payload.signature`; raises `JwsError`."""
    parts = compact.split(".")
    if len(parts) != len(("header", "payload", "signature")):
        raise JwsError("is not a JWS of three parts; expected header.payload.signature")
    header, payload, signature = parts
    found = _part(payload, "payload")
    try:
        found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JwsError("has a payload part that is not UTF-8") from error
    return parse_detached(f"{header}..{signature}", found, typ)


def _part(text: str, name: str) -> bytes:
    data = decode(text)
    if data is None:
        raise JwsError(f"has a {name} part that is not base64url without padding (RFC 7515, section 2)")
    return data


def _read_header(text: bytes, typ: str) -> tuple[str, int, str]:
    try:
        header = parse_object(text)
    except Fault as fault:
        raise _refused(str(fault)) from fault
    if "crit" in header:
        raise _refused("crit asks for an extension; expected none")
    if "b64" in header:
        raise _refused("b64 says how the payload is written (RFC 7797); expected none")
    found = _string(header, "typ")
    if found != typ:
        raise _refused(f"typ is {excerpt(found)}; expected {typ}")
    iat = header.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, int) or not _LEAST_INSTANT <= iat <= _GREATEST_INSTANT:
        raise _refused("iat is missing or not a time in whole seconds")
    alg = _string(header, "alg")
    if alg not in ALGORITHMS:
        raise _refused(f"alg is {excerpt(alg)}; expected PS256 or RS256")
    kid = _string(header, "kid")
    wrong = check_key_id(kid)
    if wrong is not None:
        raise _refused(f"kid {wrong}")
    return alg, iat, kid


def _string(header: dict[str, JsonValue], name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise _refused(f"{name} is missing or not a string")
    return value


def _refused(problem: str) -> JwsError:
    return JwsError(f"has a protected header that is refused: {problem}")
