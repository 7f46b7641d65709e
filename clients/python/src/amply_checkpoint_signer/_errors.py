"""Exceptions: one for each reason that the service gives, with what its status carries."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from ._bounds import visible

_DOMAIN = "checkpoint-signer"
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True)
class FieldViolation:
    """One field that is wrong: its path, what was found and what is expected."""

    field: str
    problem: str

    def __str__(self) -> str:
        return visible(f"{self.field}: {self.problem}")


class CheckpointSignerError(Exception):
    """A call that did not succeed.

    `reason` is the service's stable name, such as `EQUIVOCATION`; without an answer of the service it is the name of
    the gRPC status, such as `UNAVAILABLE`. `message` is a sentence, `fields` names each field that is wrong.
    """

    retry_later: ClassVar[bool] = False
    """Whether the same call may succeed later without a change to it, perhaps after an operator did something."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        code: grpc.StatusCode,
        fields: Sequence[FieldViolation] = (),
        retry_delay: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(visible(message))
        self.message = visible(message)
        self.reason = reason
        self.code = code
        self.fields = tuple(fields)
        self.retry_delay = retry_delay
        """Seconds after which the service says that it may be tried again."""
        self.request_id = request_id
        """The name of the call, which the service's logs have too; none for what was refused before it was sent."""

    def __str__(self) -> str:
        named = "" if self.request_id is None else f" (request_id {self.request_id})"
        return f"{self.reason}: {self.message}{named}"

    def __reduce__(self) -> tuple[object, ...]:
        # As it stands, and with the refusal that led to it. What gRPC raised stays behind: it holds the connection.
        cause = self.__cause__ if isinstance(self.__cause__, CheckpointSignerError) else None
        return _remade, (type(self), self.message), {**self.__dict__, "__cause__": cause}

    @property
    def of_service(self) -> bool:
        """Whether the service said so, and not gRPC or this client."""
        return self.reason in BY_REASON

    def at_the_end(self, limit: str) -> CheckpointSignerError:
        """The same as the last of several attempts: the message begins with the limit that ended them."""
        told = copy.copy(self)
        told.message = f"{limit}; the last attempt: {self.message}"
        told.args = (told.message,)
        told.__cause__ = self
        return told


def _remade(kind: type[CheckpointSignerError], message: str) -> CheckpointSignerError:
    return kind.__new__(kind, message)


class InvalidCheckpoint(CheckpointSignerError):
    """A field of the checkpoint is not as it must be: mend what `fields` names. Raised before sending if possible."""

    @classmethod
    def of(cls, fields: Sequence[FieldViolation]) -> InvalidCheckpoint:
        """The same that the service would answer."""
        message = "; ".join(str(field) for field in fields)
        return cls(message, reason="INVALID_CHECKPOINT", code=grpc.StatusCode.INVALID_ARGUMENT, fields=fields)


class InvalidRequest(CheckpointSignerError):
    """A field of the request is not as its comment in the API says."""


class RequestTooLarge(InvalidRequest):
    """The request has more bytes than any that is taken; a checkpoint within its bounds never has."""


class NotSpoken(InvalidRequest):
    """The service does not speak what was sent: its head, content type, compression, method or timeout."""


class Equivocation(CheckpointSignerError):
    """Stop: the ledger has another checkpoint on record in this place. It has two histories."""


class Rollback(CheckpointSignerError):
    """Stop: a newer state of the ledger is signed already. This one will never be."""


class NoKeyInForce(CheckpointSignerError):
    """No key may sign now: tell the operators, and call again later. Nothing is lost."""

    retry_later = True


class KeyNotYetValid(NoKeyInForce):
    """The window of the next key is not open yet."""


class KeyExpired(NoKeyInForce):
    """The window of the last key has ended."""


class KeyRevoked(NoKeyInForce):
    """The key was revoked, and there is no other one."""


class NoSigningKey(NoKeyInForce):
    """The service has no trusted key."""


class ClockWentBack(CheckpointSignerError):
    """The signer's clock is behind its newest signature: tell the operators, and call again later."""

    retry_later = True


class ClockAhead(CheckpointSignerError):
    """The signer's clock is ahead of another one: tell the operators, and call again later."""

    retry_later = True


class Unavailable(CheckpointSignerError):
    """Nobody answered, or not now; retried until the deadline was over."""

    retry_later = True


class RecordStoreUnavailable(Unavailable):
    """The signature could not be made durable."""


class KeySourceUnavailable(Unavailable):
    """The source of the keys cannot be read."""


class KeysNotYetRead(Unavailable):
    """The service has just begun, and still reads its keys."""


class ShuttingDown(Unavailable):
    """This replica is ending."""


class TooSlow(Unavailable):
    """The deadline was over, or the service gave up waiting."""


class Overloaded(CheckpointSignerError):
    """The service has too much to do; retried until the deadline was over."""

    retry_later = True


class TooManyCalls(Overloaded):
    """This client has too many calls in flight."""


class TooMuchAtOnce(Overloaded):
    """Too many large requests were arriving, or too many large answers are unread."""


class StreamTooLong(CheckpointSignerError):
    """A stream had more items than it may have."""


class AccessDenied(CheckpointSignerError):
    """The client may not do this: a question of its certificate and of its roles."""


class CertificateRefused(AccessDenied):
    """The service does not accept the certificate, or knows no role of it."""


class RoleRequired(AccessDenied):
    """The client has not the role for this call."""


class LedgerNotPermitted(AccessDenied):
    """The client may not have this ledger signed."""


class NotFound(CheckpointSignerError):
    """What was asked for by name does not exist."""


class CheckpointNotFound(NotFound):
    """The record has no such checkpoint."""


class KeyNotFound(NotFound):
    """No key version has this key_id."""


class SignatureFailed(CheckpointSignerError):
    """The service could not make a signature, or failed: tell the operators."""


class UnexpectedAnswer(CheckpointSignerError):
    """What came back is not what was asked for: a fault of the service, or of something between."""

    @classmethod
    def of(cls, message: str) -> UnexpectedAnswer:
        """Found by this client."""
        return cls(message, reason="UNEXPECTED_ANSWER", code=grpc.StatusCode.DATA_LOSS)


class LedgerHeld(CheckpointSignerError):
    """Not sent: an earlier checkpoint of the same ledger was refused in this call (`__cause__` says why).

    A ledger is signed forwards only. Had this one been signed, the earlier one never could be.
    """

    retry_later = True

    @classmethod
    def by(cls, ledger_id: str, cause: CheckpointSignerError) -> LedgerHeld:
        """Held by the refusal of an earlier one."""
        message = f"ledger_id: an earlier checkpoint of {ledger_id} was refused ({cause.reason}); not sent"
        held = cls(message, reason="LEDGER_HELD", code=grpc.StatusCode.FAILED_PRECONDITION)
        held.__cause__ = cause
        return held


BY_REASON: dict[str, type[CheckpointSignerError]] = {
    "INVALID_CHECKPOINT": InvalidCheckpoint,
    "INVALID_REQUEST": InvalidRequest,
    "REQUEST_TOO_LARGE": RequestTooLarge,
    "METADATA_TOO_LARGE": NotSpoken,
    "INVALID_TIMEOUT": NotSpoken,
    "CONTENT_TYPE_NOT_SUPPORTED": NotSpoken,
    "COMPRESSION_NOT_SUPPORTED": NotSpoken,
    "UNKNOWN_METHOD": NotSpoken,
    "HTTP_METHOD_NOT_ALLOWED": NotSpoken,
    "EQUIVOCATION": Equivocation,
    "ROLLBACK": Rollback,
    "KEY_NOT_YET_VALID": KeyNotYetValid,
    "KEY_EXPIRED": KeyExpired,
    "KEY_REVOKED": KeyRevoked,
    "NO_SIGNING_KEY": NoSigningKey,
    "CLOCK_WENT_BACK": ClockWentBack,
    "CLOCK_AHEAD": ClockAhead,
    "RECORD_STORE_UNAVAILABLE": RecordStoreUnavailable,
    "KEY_SOURCE_UNAVAILABLE": KeySourceUnavailable,
    "KEYS_NOT_YET_READ": KeysNotYetRead,
    "SHUTTING_DOWN": ShuttingDown,
    "TOO_SLOW": TooSlow,
    "OVERLOADED": Overloaded,
    "TOO_MANY_CALLS": TooManyCalls,
    "TOO_MUCH_AT_ONCE": TooMuchAtOnce,
    "STREAM_TOO_LONG": StreamTooLong,
    "CERTIFICATE_REFUSED": CertificateRefused,
    "ROLE_REQUIRED": RoleRequired,
    "LEDGER_NOT_PERMITTED": LedgerNotPermitted,
    "CHECKPOINT_NOT_FOUND": CheckpointNotFound,
    "KEY_NOT_FOUND": KeyNotFound,
    "SERVICE_NOT_FOUND": NotFound,
    "SIGNATURE_FAILED": SignatureFailed,
    "INTERNAL_ERROR": SignatureFailed,
}
"""The exception of each reason of the service."""

_BY_CODE: dict[grpc.StatusCode, type[CheckpointSignerError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.ABORTED: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.PERMISSION_DENIED: AccessDenied,
    grpc.StatusCode.UNAUTHENTICATED: AccessDenied,
    grpc.StatusCode.NOT_FOUND: NotFound,
}
# The service gives each refusal a reason: without one, these are gRPC's own word about a connection that was lost.
_LOST = (grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def from_status(code: grpc.StatusCode, message: str, details: Iterable[Any]) -> CheckpointSignerError:
    """The exception for a status. An unknown reason falls back to what its code means."""
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in details:
        for kind in (info, bad_request, retry):
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(kind)
    ours = info.domain == _DOMAIN and info.reason != ""
    fallback = Unavailable if code in _LOST and not ours else _BY_CODE.get(code, CheckpointSignerError)
    kind_of_error = BY_REASON.get(info.reason, fallback) if ours else fallback
    return kind_of_error(
        message,
        reason=info.reason if ours else code.name,
        code=code,
        fields=[FieldViolation(one.field, one.description) for one in bad_request.field_violations],
        retry_delay=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
    )


def from_refusal(refusal: Status) -> CheckpointSignerError:
    """The exception for the refusal of an item of a stream."""
    return from_status(_CODES.get(refusal.code, grpc.StatusCode.UNKNOWN), refusal.message, refusal.details)


def from_call(error: grpc.RpcError) -> CheckpointSignerError:
    """The exception for a call that failed, whether the channel was synchronous or not."""
    if not isinstance(error, (grpc.Call, grpc.aio.AioRpcError)):
        return from_status(grpc.StatusCode.UNKNOWN, str(error), ())
    details: Iterable[Any] = ()
    for name, value in error.trailing_metadata() or ():
        if name == _DETAILS and isinstance(value, bytes):
            try:
                details = Status.FromString(value).details
            except DecodeError:
                details = ()
    raised = from_status(error.code(), error.details() or "", details)
    raised.__cause__ = error
    return raised
