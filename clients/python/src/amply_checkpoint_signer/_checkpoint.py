"""Checkpoints as typed values, their JSON and their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Union, cast

import rfc8785
from google.protobuf.struct_pb2 import Struct

from . import _bounds as bounds
from ._errors import FieldViolation, InvalidCheckpoint
from ._json import Fault, JsonValue, check_value, describe, parse_object
from ._kinds import kind_of, wrong_kind
from ._proto import checkpoint_pb2 as wire

_MEMBERS = (
    "checkpoint_id",
    "ledger_id",
    "timestamp",
    "cumulative_hash",
    "entry_count",
    "total_volume",
    "organization_summaries",
)
_SIGNATURE = "signature"
# The array of summaries is the first level of its member, the object in it the second.
_SUMMARY_DEPTH = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state of one ledger at one moment. A value that exists is valid.

    Raises `InvalidCheckpoint` with every field that is wrong, in the service's words.
    """

    checkpoint_id: str
    """Its name within the ledger, for ever: 1 to 128 characters of A-Z a-z 0-9 . _ : -"""
    ledger_id: str
    """The append-only hash chain; same form."""
    timestamp: datetime
    """When the ledger took it: aware, whole seconds, years 1970 to 9999."""
    cumulative_hash: str
    """`sha256:` and 64 lowercase hexadecimal digits."""
    entry_count: int
    """Entries up to here: 0 to 2^53-1."""
    total_volume: int
    """Sum of the entries in minor units: -(2^53-1) to 2^53-1."""
    organization_summaries: Sequence[Mapping[str, JsonValue]] = field(default=(), repr=False)
    """One object for each organisation, in the order in which it is published."""
    additional_members: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """Every other member of the published JSON."""

    def __new__(cls, *given: object, **members: object) -> Checkpoint:
        if len(given) == 1 and isinstance(given[0], (Mapping, str, bytes)):
            read = "from_dict" if isinstance(given[0], Mapping) else "from_json"
            raise wrong_kind("checkpoint", given[0], f"its fields, or Checkpoint.{read}(...) of what was given")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        faults = _Faults()
        faults.text(self, "checkpoint_id", bounds.check_identifier)
        faults.text(self, "ledger_id", bounds.check_identifier)
        if isinstance(self.timestamp, datetime):
            faults.note("timestamp", bounds.check_instant(self.timestamp))
        else:
            expected = "expected an aware datetime, such as datetime(2025, 1, 15, tzinfo=timezone.utc)"
            read = "; Checkpoint.from_dict takes the text" if isinstance(self.timestamp, str) else ""
            faults.note("timestamp", f"{kind_of(self.timestamp)}; {expected}{read}")
        faults.text(self, "cumulative_hash", bounds.check_hash)
        faults.integer(self, "entry_count", 0)
        faults.integer(self, "total_volume", -bounds.MAX_SAFE_INTEGER)
        # Copies: what was checked, not what the caller may still change.
        object.__setattr__(self, "organization_summaries", faults.summaries(self.organization_summaries))
        object.__setattr__(self, "additional_members", faults.members(self.additional_members))
        faults.finish()
        size = len(self.payload())
        if size > bounds.MAX_PAYLOAD_BYTES:
            faults.note("checkpoint", f"has a payload of {size} bytes; expected at most {bounds.MAX_PAYLOAD_BYTES}")
        faults.finish()

    @classmethod
    def from_json(cls, text: str | bytes) -> Checkpoint:
        """Reads the JSON object that will be published, without a signature."""
        if not isinstance(text, (str, bytes)):
            other = "; Checkpoint.from_dict takes a dict" if isinstance(text, Mapping) else ""
            raise wrong_kind("checkpoint", text, f"the JSON as str or bytes{other}")
        try:
            members = parse_object(text)
        except Fault as fault:
            raise InvalidCheckpoint.of([FieldViolation(fault.field, fault.problem)]) from fault
        return cls.from_dict(members)

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Checkpoint:
        """Reads the object that will be published; its `timestamp` may be a datetime."""
        if not isinstance(members, Mapping):
            other = "; Checkpoint.from_json takes JSON" if isinstance(members, (str, bytes)) else ""
            raise wrong_kind("checkpoint", members, f"a mapping of its members{other}")
        if _SIGNATURE in members:
            problem = "is there already; expected a checkpoint that is not signed yet"
            raise InvalidCheckpoint.of([FieldViolation(_SIGNATURE, problem)])
        return cls._from_members(members)

    @classmethod
    def _from_members(cls, members: Mapping[str, JsonValue]) -> Checkpoint:
        faults = _Faults()
        for name in _MEMBERS:
            if name not in members:
                faults.note(name, "is missing; expected it in every checkpoint")
        faults.finish()
        timestamp: object = members["timestamp"]
        if isinstance(timestamp, str):
            instant = bounds.parse_instant(timestamp)
            if instant is None:
                shown = bounds.excerpt(timestamp)
                faults.note("timestamp", f"is {shown}; expected whole seconds in UTC as YYYY-MM-DDTHH:MM:SSZ")
            # With another instant in its place, the other fields' faults are found as well.
            timestamp = instant or datetime(1970, 1, 1, tzinfo=timezone.utc)
        values = {**{name: members[name] for name in _MEMBERS}, "timestamp": timestamp}
        others = {name: value for name, value in members.items() if name not in _MEMBERS}
        try:
            checkpoint = cls(**values, additional_members=others)  # type: ignore[arg-type]
        except InvalidCheckpoint as error:
            raise InvalidCheckpoint.of([*faults.found, *error.fields]) from None
        faults.finish()
        return checkpoint

    def to_dict(self) -> dict[str, JsonValue]:
        """The object to publish, but for its signature."""
        return {
            **self.additional_members,
            "checkpoint_id": self.checkpoint_id,
            "ledger_id": self.ledger_id,
            "timestamp": bounds.instant_text(self.timestamp),
            "cumulative_hash": self.cumulative_hash,
            "entry_count": self.entry_count,
            "total_volume": self.total_volume,
            "organization_summaries": [dict(summary) for summary in self.organization_summaries],
        }

    def payload(self) -> bytes:
        """The RFC 8785 bytes that are signed."""
        return rfc8785.dumps(self.to_dict())


CheckpointLike = Union[Checkpoint, Mapping[str, Any]]
"""A checkpoint, or the JSON object that will be published."""


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint with its signature, as the service recorded it."""

    checkpoint: Checkpoint
    signature: str = field(repr=False)
    """The detached JWS, `header..signature`."""
    key_id: str
    algorithm: str
    """`PS256` or `RS256`."""
    signed_at: datetime
    payload: bytes = field(repr=False)
    """The RFC 8785 bytes that are signed."""
    published_json: str = field(repr=False)
    """Upload it as it is."""


class _Faults:
    """All faults of one checkpoint, so that a caller mends them in one go."""

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []

    def note(self, name: str, problem: str | None) -> None:
        if problem is not None:
            self.found.append(FieldViolation(name, problem))

    def text(self, checkpoint: Checkpoint, name: str, check: object) -> None:
        value: object = getattr(checkpoint, name)
        if not isinstance(value, str):
            decode = '; bytes become one by .decode("utf-8")' if isinstance(value, bytes) else ""
            self.note(name, f"{describe(value)}; expected a string{decode}")
        elif callable(check):
            self.note(name, check(value))

    def integer(self, checkpoint: Checkpoint, name: str, least: int) -> None:
        value: object = getattr(checkpoint, name)
        if isinstance(value, bool) or not isinstance(value, int):
            found = f"is {value}" if isinstance(value, float) else describe(value)
            of_money = " of minor units, such as 1250 for 12.50" if name == "total_volume" else ""
            self.note(name, f"{found}; expected an integer{of_money}")
        else:
            self.note(name, bounds.check_integer(value, least))

    def summaries(self, found: object) -> tuple[Mapping[str, JsonValue], ...]:
        name = "organization_summaries"
        if not isinstance(found, (list, tuple)):
            self.note(name, f"{describe(found)}; expected an array of objects")
            return ()
        if not all(isinstance(summary, Mapping) for summary in found):
            self.note(name, "is an array with something else than objects in it; expected an array of objects")
            return ()
        checked = []
        for index, summary in enumerate(found):
            checked.append(self._checked(summary, f"{name}[{index}]", _SUMMARY_DEPTH))
        return tuple(checked)

    def members(self, found: object) -> Mapping[str, JsonValue]:
        name = "additional_members"
        if not isinstance(found, Mapping):
            self.note(name, f"{describe(found)}; expected an object")
            return {}
        for reserved in (*_MEMBERS, _SIGNATURE):
            if reserved in found:
                problem = "has the name of a member that stands elsewhere; expected another name"
                self.note(f"{name}.{reserved}", problem)
        return self._checked(found, name, 0)

    def _checked(self, found: Mapping[str, JsonValue], path: str, depth: int) -> Mapping[str, JsonValue]:
        try:
            return cast("Mapping[str, JsonValue]", check_value(found, path, depth))
        except Fault as fault:
            self.note(fault.field, fault.problem)
            return {}

    def finish(self) -> None:
        if self.found:
            raise InvalidCheckpoint.of(self.found)


def to_checkpoint(checkpoint: CheckpointLike) -> Checkpoint:
    """The checkpoint of either form; raises `InvalidCheckpoint`, or TypeError for what is no form of one."""
    check_like(checkpoint)
    return checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint.from_dict(checkpoint)


def check_like(given: object) -> None:
    """Raises TypeError for what is neither a checkpoint nor its JSON object."""
    if isinstance(given, (Checkpoint, Mapping)):
        return
    hint = ""
    if isinstance(given, SignedCheckpoint):
        hint = "; its .checkpoint is one"
    elif isinstance(given, (str, bytes)):
        hint = "; Checkpoint.from_json reads the text"
    raise wrong_kind("checkpoint", given, f"a Checkpoint, or a mapping of its members{hint}")


def read_published(published: str | bytes) -> tuple[Checkpoint, str]:
    """A published checkpoint and its signature; raises `InvalidCheckpoint`."""
    try:
        members = parse_object(published)
    except Fault as fault:
        raise InvalidCheckpoint.of([FieldViolation(fault.field, fault.problem)]) from fault
    found = members.pop(_SIGNATURE, None)
    if not isinstance(found, str):
        problem = "is missing" if found is None else describe(found)
        raise InvalidCheckpoint.of([FieldViolation(_SIGNATURE, f"{problem}; expected a detached JWS")])
    return Checkpoint._from_members(members), found


def to_wire(checkpoint: Checkpoint) -> wire.Checkpoint:
    """The message of a checkpoint."""
    message = wire.Checkpoint(
        checkpoint_id=checkpoint.checkpoint_id,
        ledger_id=checkpoint.ledger_id,
        cumulative_hash=checkpoint.cumulative_hash,
        entry_count=checkpoint.entry_count,
        total_volume=checkpoint.total_volume,
        organization_summaries=[_struct(summary) for summary in checkpoint.organization_summaries],
    )
    message.timestamp.FromDatetime(checkpoint.timestamp)
    if checkpoint.additional_members:
        message.additional_members.CopyFrom(_struct(checkpoint.additional_members))
    return message


def _struct(members: Mapping[str, JsonValue]) -> Struct:
    struct = Struct()
    struct.update(members)
    return struct


def from_wire(message: wire.SignedCheckpoint) -> SignedCheckpoint:
    """The signed checkpoint of an answer. The published JSON is what counts; the rest is read from it."""
    checkpoint, signature = read_published(message.published_json)
    return _signed(checkpoint, signature, message, message.payload, message.published_json)


def from_wire_alone(checkpoint: Checkpoint, message: wire.SignedCheckpoint) -> SignedCheckpoint:
    """The signed checkpoint of an answer without the content, which is put together here as the service does."""
    published = rfc8785.dumps({**checkpoint.to_dict(), _SIGNATURE: message.signature}).decode("utf-8")
    return _signed(checkpoint, message.signature, message, checkpoint.payload(), published)


def _signed(
    checkpoint: Checkpoint, signature: str, message: wire.SignedCheckpoint, payload: bytes, published: str
) -> SignedCheckpoint:
    return SignedCheckpoint(
        checkpoint=checkpoint,
        signature=signature,
        key_id=message.key_id,
        algorithm=wire.SignatureAlgorithm.Name(message.algorithm).removeprefix("SIGNATURE_ALGORITHM_"),
        signed_at=message.signed_at.ToDatetime(tzinfo=timezone.utc),
        payload=payload,
        published_json=published,
    )
