"""A signer for the tests of a ledger: a server in the test's own process, which `Client` and `AsyncClient` call as they
call the service.

It signs with a key that it makes, remembers what it signed, refuses what the service would refuse for a ledger's
history and what a test wants refused, and counts. It has no record on disk, no windows that end and no certificates.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import grpc
import rfc8785
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status

from . import _errors as errors
from ._bounds import instant_text
from ._checkpoint import Checkpoint, SignedCheckpoint, from_wire, to_wire
from ._errors import CheckpointSignerError, FieldViolation, InvalidCheckpoint
from ._jws import CHECKPOINT_TYPE, Jws, encode
from ._keyring import Keyring, PublicKey
from ._kinds import check_text
from ._proto import checkpoint_pb2 as messages
from ._proto import key_service_pb2 as key
from ._proto import record_service_pb2 as record
from ._proto import signing_service_pb2 as signing
from ._proto import verification_service_pb2 as verification
from ._verify import Verdict, verify

Q = TypeVar("Q", bound=Message)

_NOT_BEFORE = datetime(2020, 1, 1, tzinfo=timezone.utc)
_EXPIRES = datetime(2100, 1, 1, tzinfo=timezone.utc)
_BITS = 2048
_SALT_BYTES = 32
_PACKAGE = "amply.checkpoint.v1."
_DOMAIN = "checkpoint-signer"
_CODES: tuple[tuple[type[CheckpointSignerError], grpc.StatusCode], ...] = (
    (errors.NotSpoken, grpc.StatusCode.UNIMPLEMENTED),
    (errors.InvalidRequest, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.InvalidCheckpoint, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Equivocation, grpc.StatusCode.ALREADY_EXISTS),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.StreamTooLong, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.CertificateRefused, grpc.StatusCode.UNAUTHENTICATED),
    (errors.AccessDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.SignatureFailed, grpc.StatusCode.INTERNAL),
)


@dataclass(frozen=True)
class Asked:
    """One request for a signature, by `sign` or as an item of `sign_many`, however it ended."""

    ledger_id: str
    checkpoint_id: str
    request_id: str


@dataclass
class _Refusal:
    """What a test wants refused."""

    reason: str
    ledger_id: str | None
    message: str
    left: int | None

    def fits(self, ledger_id: str) -> bool:
        return self.left != 0 and self.ledger_id in (None, ledger_id)


class FakeSigner:
    """A signer on a port of this machine, from `with FakeSigner() as signer:` to the end of the block."""

    def __init__(
        self,
        *,
        key_id: str = "fake-checkpoint-key",
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """`clock` says when a checkpoint is signed; it is 2020 to 2099 there."""
        self.calls: Counter[str] = Counter()
        """How often each RPC was called, by its name, such as `SignCheckpoint`; a stream counts once."""
        self.asked: list[Asked] = []
        """Every checkpoint that was to be signed, in order."""
        self.signed: list[SignedCheckpoint] = []
        """Every checkpoint that was signed, once."""
        self._clock = clock
        self._secret = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        window = (int(_NOT_BEFORE.timestamp()), int(_EXPIRES.timestamp()))
        self._key = PublicKey(key_id, "PS256", *window, self._secret.public_key())
        self._refusals: list[_Refusal] = []
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None
        self._port = 0

    def __enter__(self) -> FakeSigner:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"FakeSigner({self.url}, {len(self.signed)} signed)"

    def start(self) -> None:
        """Begins, at the same address as before if it was stopped."""
        server = grpc.server(ThreadPoolExecutor(max_workers=8), options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers(self._handlers())
        self._port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Ends at once, as a service that is killed; what it signed, it remembers."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None

    @property
    def url(self) -> str:
        """For `Client(...)`."""
        return f"http://127.0.0.1:{self._port}"

    def keyring(self) -> Keyring:
        """What its signatures verify with."""
        return Keyring([self._key])

    def refuse(self, reason: str, *, times: int | None = 1, ledger_id: str | None = None, message: str = "") -> None:
        """Refuses the next requests for a signature: so many (`None`: all from now on), of one ledger or of any.

        `reason` is one of the service's, such as `KEY_EXPIRED` or `OVERLOADED`.
        """
        check_text("reason", reason)
        if reason not in errors.BY_REASON:
            raise ValueError(f"reason: is {reason}; expected one of {', '.join(sorted(errors.BY_REASON))}")
        with self._lock:
            self._refusals.append(_Refusal(reason, ledger_id, message or "a test wants it refused", times))

    def accept(self) -> None:
        """Takes back what `refuse` said."""
        with self._lock:
            self._refusals.clear()

    # From here on: how it answers.

    def _handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        return (
            self._service(
                "SigningService",
                SignCheckpoint=self._unary(signing.SignCheckpointRequest, self._sign_one),
                SignCheckpoints=grpc.stream_stream_rpc_method_handler(
                    self._sign_many,
                    signing.SignCheckpointsRequest.FromString,
                    lambda answer: answer.SerializeToString(),
                ),
            ),
            self._service(
                "VerificationService",
                VerifyCheckpoint=self._unary(verification.VerifyCheckpointRequest, self._verify),
            ),
            self._service("KeyService", ListKeys=self._unary(key.ListKeysRequest, self._list_keys)),
            self._service(
                "RecordService",
                GetSignedCheckpoint=self._unary(record.GetSignedCheckpointRequest, self._get_signed_checkpoint),
            ),
        )

    @staticmethod
    def _service(name: str, **methods: Any) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(_PACKAGE + name, methods)

    def _unary(self, request: type[Q], answer: Callable[[Q, str], Message]) -> Any:
        run = partial(self._answer, request.DESCRIPTOR.name.removesuffix("Request"), answer)
        return grpc.unary_unary_rpc_method_handler(run, request.FromString, lambda message: message.SerializeToString())

    def _answer(self, name: str, answer: Callable[[Any, str], Message], request: Any, context: Any) -> Message:
        request_id = self._begin(name, context)
        try:
            return answer(request, request_id)
        except CheckpointSignerError as error:
            _abort(context, error)

    def _begin(self, name: str, context: grpc.ServicerContext) -> str:
        given = dict(context.invocation_metadata() or ())
        request_id = str(given.get("x-request-id", ""))
        context.send_initial_metadata((("x-request-id", request_id),))
        with self._lock:
            self.calls[name] += 1
        return request_id

    def _sign_one(self, request: signing.SignCheckpointRequest, request_id: str) -> signing.SignCheckpointResponse:
        signed = self._sign(request.checkpoint, request_id)
        return signing.SignCheckpointResponse(signed_checkpoint=self._message(signed, request.omit_content))

    def _sign_many(
        self, requests: Iterator[signing.SignCheckpointsRequest], context: grpc.ServicerContext
    ) -> Iterator[signing.SignCheckpointsResponse]:
        name = self._begin("SignCheckpoints", context)
        for request in requests:
            answer = signing.SignCheckpointsResponse(request_id=request.request_id)
            try:
                signed = self._sign(request.checkpoint, request.request_id or name)
                answer.signed_checkpoint.CopyFrom(self._message(signed, request.omit_content))
            except CheckpointSignerError as error:
                answer.refusal.CopyFrom(_status(error))
            yield answer

    def _sign(self, message: messages.Checkpoint, request_id: str) -> SignedCheckpoint:
        with self._lock:
            self.asked.append(Asked(message.ledger_id, message.checkpoint_id, request_id))
            wanted = next((one for one in self._refusals if one.fits(message.ledger_id)), None)
            if wanted is not None:
                wanted.left = None if wanted.left is None else wanted.left - 1
                raise _error(wanted.reason, wanted.message)
            checkpoint = _read(message)
            before = [one for one in self.signed if one.checkpoint.ledger_id == checkpoint.ledger_id]
            known = next((one for one in before if one.payload == checkpoint.payload()), None)
            if known is not None:
                return known
            _check_history(checkpoint, [one.checkpoint for one in before])
            made = self._make(checkpoint)
            self.signed.append(made)
            return made

    def _make(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        signed_at = self._clock().replace(microsecond=0)
        members: dict[str, Any] = {
            "alg": "PS256",
            "iat": int(signed_at.timestamp()),
            "kid": self._key.key_id,
            "typ": CHECKPOINT_TYPE,
        }
        header = encode(rfc8785.dumps(members))
        payload = checkpoint.payload()
        unsigned = Jws(header, "PS256", int(signed_at.timestamp()), self._key.key_id, payload, b"")
        pss = padding.PSS(mgf=padding.MGF1(SHA256()), salt_length=_SALT_BYTES)
        signature = f"{header}..{encode(self._secret.sign(unsigned.signing_input(), pss, SHA256()))}"
        published = rfc8785.dumps({**checkpoint.to_dict(), "signature": signature}).decode("utf-8")
        return SignedCheckpoint(checkpoint, signature, self._key.key_id, "PS256", signed_at, payload, published)

    @staticmethod
    def _message(signed: SignedCheckpoint, omit_content: bool = False) -> messages.SignedCheckpoint:
        message = messages.SignedCheckpoint(
            signature=signed.signature,
            key_id=signed.key_id,
            algorithm=messages.SignatureAlgorithm.SIGNATURE_ALGORITHM_PS256,
        )
        message.signed_at.FromDatetime(signed.signed_at)
        if not omit_content:
            message.checkpoint.CopyFrom(to_wire(signed.checkpoint))
            message.payload = signed.payload
            message.published_json = signed.published_json
        return message

    def _verify(self, request: verification.VerifyCheckpointRequest, _: str) -> verification.VerifyCheckpointResponse:
        given = request.published_json
        if request.HasField("signed_checkpoint"):
            given = from_wire(request.signed_checkpoint).published_json
        found: Verdict = verify(given, self.keyring())
        verdict = verification.Verdict(
            kind=f"VERDICT_KIND_{found.kind}",
            key_id=found.key_id or "",
            explanation=found.explanation,
        )
        if found.signed_at is not None:
            verdict.signed_at.FromDatetime(found.signed_at)
        if found.valid:
            verdict.recorded = True
        return verification.VerifyCheckpointResponse(verdict=verdict)

    def _list_keys(self, _: key.ListKeysRequest, __: str) -> key.ListKeysResponse:
        pem = self._key.rsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        found = key.Key(
            key_id=self._key.key_id,
            state=key.KeyState.KEY_STATE_ACTIVE,
            algorithm=messages.SignatureAlgorithm.SIGNATURE_ALGORITHM_PS256,
            modulus_bits=_BITS,
            jwk=self._key.endorsed_payload().decode("ascii"),
            public_key_pem=pem.decode("ascii"),
            thumbprint=self._key.thumbprint,
            fingerprint=self._key.fingerprint,
            signing=True,
        )
        found.valid_from.FromDatetime(_NOT_BEFORE)
        found.valid_until.FromDatetime(_EXPIRES)
        return key.ListKeysResponse(keys=[found])

    def _get_signed_checkpoint(
        self, request: record.GetSignedCheckpointRequest, _: str
    ) -> record.GetSignedCheckpointResponse:
        with self._lock:
            for position, signed in enumerate(self.signed, 1):
                names = (signed.checkpoint.ledger_id, signed.checkpoint.checkpoint_id)
                if names == (request.ledger_id, request.checkpoint_id):
                    message = self._message(signed)
                    return record.GetSignedCheckpointResponse(signed_checkpoint=message, position=position)
        problem = f"the record has no checkpoint {request.checkpoint_id} of ledger {request.ledger_id}"
        raise _error("CHECKPOINT_NOT_FOUND", problem)


def _read(message: messages.Checkpoint) -> Checkpoint:
    if not message.HasField("timestamp"):
        raise InvalidCheckpoint.of([FieldViolation("timestamp", "is missing; expected it in every checkpoint")])
    return Checkpoint(
        checkpoint_id=message.checkpoint_id,
        ledger_id=message.ledger_id,
        timestamp=message.timestamp.ToDatetime(tzinfo=timezone.utc),
        cumulative_hash=message.cumulative_hash,
        entry_count=message.entry_count,
        total_volume=message.total_volume,
        organization_summaries=[MessageToDict(one) for one in message.organization_summaries],
        additional_members=MessageToDict(message.additional_members),
    )


def _check_history(checkpoint: Checkpoint, before: list[Checkpoint]) -> None:
    """The rules of a ledger's history, in the service's words: one content a name, one state a place, forwards only."""
    ledger, count = checkpoint.ledger_id, checkpoint.entry_count
    state = (checkpoint.cumulative_hash, checkpoint.total_volume)
    for other in before:
        if other.checkpoint_id == checkpoint.checkpoint_id:
            problem = f"ledger {ledger} has another checkpoint {other.checkpoint_id} on record"
            raise _error("EQUIVOCATION", f"{problem}; a checkpoint that was signed never changes", "checkpoint_id")
    for other in before:
        if other.entry_count == count and (other.cumulative_hash, other.total_volume) != state:
            entries = f"{count} {'entry' if count == 1 else 'entries'} with another cumulative_hash or total_volume"
            where = f"on record, in checkpoint {other.checkpoint_id}; a ledger has one history"
            raise _error("EQUIVOCATION", f"ledger {ledger} has {entries} {where}", "entry_count")
    newest = max((other.entry_count for other in before), default=count)
    if count < newest:
        expected = "expected at least that, since a ledger is signed forwards only"
        raise _error("ROLLBACK", f"is {count}, but ledger {ledger} has {newest} on record; {expected}", "entry_count")
    latest = max((other.timestamp for other in before), default=checkpoint.timestamp)
    if checkpoint.timestamp < latest:
        found, known = instant_text(checkpoint.timestamp), instant_text(latest)
        expected = "expected at least that, since a ledger is signed forwards only"
        raise _error("ROLLBACK", f"is {found}, but ledger {ledger} has {known} on record; {expected}", "timestamp")


def _error(reason: str, problem: str, field: str | None = None) -> CheckpointSignerError:
    kind = errors.BY_REASON[reason]
    code = next((code for parent, code in _CODES if issubclass(kind, parent)), grpc.StatusCode.FAILED_PRECONDITION)
    if field is None:
        return kind(problem, reason=reason, code=code)
    fields = [FieldViolation(field, problem)]
    return kind(f"{field}: {problem}", reason=reason, code=code, fields=fields)


def _status(error: CheckpointSignerError) -> Status:
    status = Status(code=error.code.value[0], message=error.message)
    status.details.add().Pack(ErrorInfo(reason=error.reason, domain=_DOMAIN))
    if error.fields:
        wrong = [BadRequest.FieldViolation(field=one.field, description=one.problem) for one in error.fields]
        status.details.add().Pack(BadRequest(field_violations=wrong))
    return status


def _abort(context: grpc.ServicerContext, error: CheckpointSignerError) -> NoReturn:
    context.set_trailing_metadata((("grpc-status-details-bin", _status(error).SerializeToString()),))
    context.abort(error.code, error.message)
