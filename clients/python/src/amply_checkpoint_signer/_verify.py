"""Verdicts on published checkpoints, offline: nothing but the checkpoint and a keyring is needed, and no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Union

from ._bounds import visible
from ._checkpoint import Checkpoint, SignedCheckpoint, read_published
from ._errors import InvalidCheckpoint
from ._jws import Jws, JwsError, parse_detached
from ._keyring import Keyring, check_keyring, seconds_text
from ._kinds import wrong_kind

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class VerdictKind(str, Enum):
    """What a verification found; the names of the contract, in the order of the checks."""

    MALFORMED = "MALFORMED"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    ALGORITHM_MISMATCH = "ALGORITHM_MISMATCH"
    INVALID_SIGNATURE = "INVALID_SIGNATURE"
    OUTSIDE_VALIDITY = "OUTSIDE_VALIDITY"
    KEY_REVOKED = "KEY_REVOKED"
    VALID = "VALID"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Verdict:
    """What was found, by whom and when it claims to be signed, and a sentence for a person."""

    kind: VerdictKind
    key_id: str | None
    """The kid of the signature's header; none when malformed."""
    signed_at: datetime | None
    """The iat of the header. Only with `VALID` does it say when it was signed."""
    explanation: str
    recorded: bool | None = None
    """Whether this very signature is in the service's record; only the service tells, and only with `VALID`."""

    def __post_init__(self) -> None:
        # A revocation's reason and a service's words go into it, and it goes to terminals.
        object.__setattr__(self, "explanation", visible(self.explanation))

    @property
    def valid(self) -> bool:
        """Whether all is well."""
        return self.kind is VerdictKind.VALID


Published = Union[str, bytes, Mapping[str, Any], SignedCheckpoint]
"""A published checkpoint: its text (best: every byte is judged), its JSON object, or a service's answer."""


def published_text(published: Published) -> str | bytes:
    """The text of either form."""
    if isinstance(published, SignedCheckpoint):
        return published.published_json
    if isinstance(published, (str, bytes)):
        return published
    if isinstance(published, Mapping):
        return json.dumps(published)
    hint = "; a Checkpoint is not signed yet" if isinstance(published, Checkpoint) else ""
    expected = "a published checkpoint: its JSON as str, bytes or mapping, or a SignedCheckpoint"
    raise wrong_kind("published", published, expected + hint)


def verify(published: Published, keyring: Keyring, pin: str | None = None) -> Verdict:
    """Verifies a published checkpoint with a keyring that you trust, or with one key of it that you noted (`pin`: its
    fingerprint, `sha256:` and 64 digits) and those that its chain of endorsements leads to.

    Raises `KeyringError` when the pin is no fingerprint, or that of no key of the keyring; whatever is wrong with the
    checkpoint is a verdict.
    """
    check_keyring(keyring)
    text = published_text(published) if not isinstance(published, Mapping) else published
    trusted = keyring if pin is None else keyring.trust_from(pin)
    try:
        checkpoint, signature = read_published(published_text(text))
        jws = parse_detached(signature, checkpoint.payload())
    except InvalidCheckpoint as error:
        return _malformed(error.message)
    except JwsError as error:
        return _malformed(f"signature: {error}")
    except (TypeError, ValueError) as error:
        # An object with something in it that no JSON has.
        return _malformed(f"json: {error}")
    kind, explanation = _judge(trusted, jws)
    return Verdict(kind, jws.kid, _instant(jws.iat), explanation)


def _malformed(problem: str) -> Verdict:
    return Verdict(VerdictKind.MALFORMED, None, None, f"this is not a signed checkpoint: {problem}")


def _judge(keyring: Keyring, jws: Jws) -> tuple[VerdictKind, str]:
    kid, at = jws.kid, seconds_text(jws.iat)
    key = keyring.get(kid)
    if key is None:
        broken = keyring.untrusted.get(kid)
        unknown = f"the keyring has no trusted key {kid}"
        return VerdictKind.UNKNOWN_KEY, unknown if broken is None else f"no chain from the pinned key: {broken}"
    if jws.alg != key.algorithm:
        explanation = f"the signature says {jws.alg}, but {kid} signs with {key.algorithm} only"
        return VerdictKind.ALGORITHM_MISMATCH, explanation
    if not key.made(jws):
        explanation = f"{kid} did not make this signature over this content: it was changed"
        return VerdictKind.INVALID_SIGNATURE, explanation
    if not key.may_sign_at(jws.iat):
        return VerdictKind.OUTSIDE_VALIDITY, f"{kid} signed at {at}, outside of its window {key.window}"
    if key.distrusted_from is not None and key.distrusted_at(jws.iat):
        since = seconds_text(key.distrusted_from)
        explanation = f"{kid} signed at {at}, and is distrusted from {since} on: {key.distrust_reason}"
        return VerdictKind.KEY_REVOKED, explanation
    return VerdictKind.VALID, f"{kid} signed at {at}, inside of its window {key.window}"


def _instant(seconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
