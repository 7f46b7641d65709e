"""What each call sends and what it makes of the answer; both clients run these."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Generic, TypeVar

from google.protobuf.message import Message

from ._checkpoint import Checkpoint, CheckpointLike, SignedCheckpoint, from_wire, to_checkpoint, to_wire
from ._keyring import Keyring
from ._kinds import check_text, wrong_kind
from ._proto import checkpoint_pb2 as messages
from ._proto import key_service_pb2 as key
from ._proto import record_service_pb2 as record
from ._proto import signing_service_pb2 as signing
from ._proto import verification_service_pb2 as verification
from ._stream import check_answer
from ._verify import Published, Verdict, VerdictKind, published_text

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True)
class Method(Generic[Q, A]):
    """An RPC."""

    path: str
    request: type[Q]
    answer: type[A]


@dataclass(frozen=True)
class Call(Generic[Q, A, T]):
    """A request, and how its answer is read."""

    method: Method[Q, A]
    request: Q
    read: Callable[[A], T]


@dataclass(frozen=True)
class Key:
    """One key version as the service lists it."""

    key_id: str
    state: str
    """`PENDING`, `SCHEDULED`, `ACTIVE`, `RETIRED` or `REVOKED`."""
    algorithm: str
    valid_from: datetime
    valid_until: datetime
    fingerprint: str
    """`sha256:` and 64 digits: note it, compare it, and pin it. It binds the key, its name, window and algorithm."""
    thumbprint: str
    """RFC 7638: of the public key alone."""
    signing: bool
    """Whether a signature asked for now would be made with it."""
    jwk: str = field(repr=False)
    public_key_pem: str = field(repr=False)


@dataclass(frozen=True)
class RecordedCheckpoint:
    """A signed checkpoint and its place in the record, from 1 on."""

    signed: SignedCheckpoint
    position: int


_PACKAGE = "/amply.checkpoint.v1."
_SIGN = Method(
    f"{_PACKAGE}SigningService/SignCheckpoint", signing.SignCheckpointRequest, signing.SignCheckpointResponse
)
SIGN_MANY = Method(
    f"{_PACKAGE}SigningService/SignCheckpoints", signing.SignCheckpointsRequest, signing.SignCheckpointsResponse
)
_VERIFY = Method(
    f"{_PACKAGE}VerificationService/VerifyCheckpoint",
    verification.VerifyCheckpointRequest,
    verification.VerifyCheckpointResponse,
)
_LIST_KEYS = Method(f"{_PACKAGE}KeyService/ListKeys", key.ListKeysRequest, key.ListKeysResponse)
_GET_CHECKPOINT = Method(
    f"{_PACKAGE}RecordService/GetSignedCheckpoint",
    record.GetSignedCheckpointRequest,
    record.GetSignedCheckpointResponse,
)


def sign(
    given: CheckpointLike, omit_content: bool = False
) -> Call[signing.SignCheckpointRequest, signing.SignCheckpointResponse, SignedCheckpoint]:
    """Has one checkpoint signed."""
    checkpoint = to_checkpoint(given)
    request = signing.SignCheckpointRequest(checkpoint=to_wire(checkpoint), omit_content=omit_content)
    return Call(_SIGN, request, lambda answer: check_answer(checkpoint, answer.signed_checkpoint))


def verify(
    published: Published,
) -> Call[verification.VerifyCheckpointRequest, verification.VerifyCheckpointResponse, Verdict]:
    """Asks the service for a verdict."""
    text = published_text(published)
    # What is not UTF-8 cannot be sent, and is malformed as much as its replacement.
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return Call(_VERIFY, verification.VerifyCheckpointRequest(published_json=text), _verdict)


def _verdict(answer: verification.VerifyCheckpointResponse) -> Verdict:
    found = answer.verdict
    return Verdict(
        kind=VerdictKind(verification.VerdictKind.Name(found.kind).removeprefix("VERDICT_KIND_")),
        key_id=found.key_id or None,
        signed_at=found.signed_at.ToDatetime(tzinfo=timezone.utc) if found.HasField("signed_at") else None,
        explanation=found.explanation,
        recorded=found.recorded if found.HasField("recorded") else None,
    )


def list_keys() -> Call[key.ListKeysRequest, key.ListKeysResponse, list[Key]]:
    """All key versions."""
    return Call(_LIST_KEYS, key.ListKeysRequest(), lambda answer: [_key(found) for found in answer.keys])


def keyring() -> Call[key.ListKeysRequest, key.ListKeysResponse, Keyring]:
    """The keyring for offline verification: all that were ever trusted."""
    return Call(_LIST_KEYS, key.ListKeysRequest(), _keyring)


def _keyring(answer: key.ListKeysResponse) -> Keyring:
    published = [found.jwk for found in answer.keys if found.state != key.KeyState.KEY_STATE_PENDING]
    return Keyring.from_jwks(f'{{"keys":[{",".join(published)}]}}')


def _key(found: key.Key) -> Key:
    algorithm = messages.SignatureAlgorithm.Name(found.algorithm).removeprefix("SIGNATURE_ALGORITHM_")
    return Key(
        key_id=found.key_id,
        state=key.KeyState.Name(found.state).removeprefix("KEY_STATE_"),
        algorithm=algorithm,
        valid_from=found.valid_from.ToDatetime(tzinfo=timezone.utc),
        valid_until=found.valid_until.ToDatetime(tzinfo=timezone.utc),
        fingerprint=found.fingerprint,
        thumbprint=found.thumbprint,
        signing=found.signing,
        jwk=found.jwk,
        public_key_pem=found.public_key_pem,
    )


def get_signed_checkpoint(
    ledger_id: str, checkpoint_id: str
) -> Call[record.GetSignedCheckpointRequest, record.GetSignedCheckpointResponse, RecordedCheckpoint]:
    """Reads one signature of the record."""
    check_text("ledger_id", ledger_id)
    check_text("checkpoint_id", checkpoint_id)
    request = record.GetSignedCheckpointRequest(ledger_id=ledger_id, checkpoint_id=checkpoint_id)
    return Call(
        _GET_CHECKPOINT,
        request,
        lambda answer: RecordedCheckpoint(from_wire(answer.signed_checkpoint), answer.position),
    )


def check_many(checkpoints: object, *, asynchronous: bool = False) -> None:
    """Raises TypeError for what is no source of checkpoints."""
    if isinstance(checkpoints, (Checkpoint, Mapping, str, bytes)):
        raise wrong_kind("checkpoints", checkpoints, "an iterable of checkpoints, such as [checkpoint]")
    if isinstance(checkpoints, AsyncIterable) and not asynchronous:
        raise wrong_kind("checkpoints", checkpoints, "an ordinary iterable; AsyncClient takes asynchronous ones")
    if not isinstance(checkpoints, (Iterable, AsyncIterable)):
        raise wrong_kind("checkpoints", checkpoints, "an iterable of checkpoints")
