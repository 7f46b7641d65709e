"""What `sign_many` has to remember: which checkpoints have no answer yet. No I/O; both clients drive it.

One checkpoint of a ledger is in flight at a time. The service signs a ledger forwards only: were a later one signed
while an earlier one is to be sent again, the earlier one never could be. Different ledgers go side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ._checkpoint import (
    Checkpoint,
    CheckpointLike,
    SignedCheckpoint,
    check_like,
    from_wire,
    from_wire_alone,
    to_checkpoint,
    to_wire,
)
from ._errors import (
    CheckpointSignerError,
    InvalidCheckpoint,
    LedgerHeld,
    Overloaded,
    Unavailable,
    UnexpectedAnswer,
    from_refusal,
)
from ._proto import checkpoint_pb2 as messages
from ._proto import signing_service_pb2 as wire

WINDOW = 128
"""Checkpoints that are read ahead of the oldest one without an answer."""

_STREAM_ITEMS = 500_000
"""Checkpoints that are sent on one stream: half of what the service takes. Then there is a new one."""


@dataclass(frozen=True)
class Outcome:
    """What became of one checkpoint: it is signed, or there is an error."""

    checkpoint: CheckpointLike = field(repr=False)
    """As it was given."""
    signed: SignedCheckpoint | None
    error: CheckpointSignerError | None

    def result(self) -> SignedCheckpoint:
        """The signed checkpoint; raises the error."""
        if self.signed is None:
            raise self.error or UnexpectedAnswer.of("neither signed nor refused")
        return self.signed


@dataclass
class _Item:
    number: int
    given: CheckpointLike
    ledger_id: str
    checkpoint: Checkpoint | None = None
    outcome: Outcome | None = None


class SigningRun:
    """All checkpoints that were taken in and not given out yet, in order."""

    def __init__(self, name: str = "sign_many", omit_content: bool = False) -> None:
        self._name = name
        self._omit_content = omit_content
        self._items: deque[_Item] = deque()
        self._waiting: list[_Item] = []
        self._in_flight: deque[_Item] = deque()
        self._busy: set[str] = set()
        self._held: dict[str, CheckpointSignerError] = {}
        self._count = 0
        self._sent = 0

    @property
    def has_room(self) -> bool:
        """Whether one more may be taken in."""
        return len(self._items) < WINDOW

    @property
    def is_empty(self) -> bool:
        """Whether all are given out."""
        return not self._items

    @property
    def in_flight(self) -> bool:
        """Whether answers are to come."""
        return bool(self._in_flight)

    @property
    def wants_new_stream(self) -> bool:
        """Whether the stream has had its items, and all their answers."""
        return self._sent >= _STREAM_ITEMS and not self._in_flight

    @property
    def waiting(self) -> bool:
        """Whether some are to be sent, now or after an answer."""
        return bool(self._waiting)

    def take(self, given: CheckpointLike) -> None:
        """Takes in the next one."""
        check_like(given)
        self._count += 1
        ledger_id = given.get("ledger_id") if isinstance(given, Mapping) else given.ledger_id
        item = _Item(self._count, given, ledger_id if isinstance(ledger_id, str) else "")
        self._items.append(item)
        self._waiting.append(item)

    def to_send(self) -> list[wire.SignCheckpointsRequest]:
        """Those whose turn it is."""
        left, requests = [], []
        for item in self._waiting:
            held = self._held.get(item.ledger_id)
            if held is not None:
                item.outcome = Outcome(item.given, None, LedgerHeld.by(item.ledger_id, held))
            elif item.ledger_id in self._busy or self._sent >= _STREAM_ITEMS:
                left.append(item)
            else:
                request = self._start(item)
                if request is not None:
                    requests.append(request)
        self._waiting = left
        return requests

    def _start(self, item: _Item) -> wire.SignCheckpointsRequest | None:
        try:
            item.checkpoint = to_checkpoint(item.given)
        except InvalidCheckpoint as error:
            self._refuse(item, error)
            return None
        self._busy.add(item.ledger_id)
        self._in_flight.append(item)
        self._sent += 1
        return wire.SignCheckpointsRequest(
            request_id=self._id_of(item), checkpoint=to_wire(item.checkpoint), omit_content=self._omit_content
        )

    def _id_of(self, item: _Item) -> str:
        return f"{self._name}-{item.number}"

    def answered(self, answer: wire.SignCheckpointsResponse) -> CheckpointSignerError | None:
        """Notes an answer. Gives the error if the item is to be sent again, after a while."""
        if not self._in_flight or answer.request_id != self._id_of(self._in_flight[0]):
            raise UnexpectedAnswer.of(f"request_id: is {answer.request_id}, which is not the next to be answered")
        item = self._in_flight.popleft()
        self._busy.discard(item.ledger_id)
        if answer.HasField("signed_checkpoint"):
            signed = check_answer(item.checkpoint, answer.signed_checkpoint)
            item.outcome = Outcome(item.given, signed, None)
            return None
        refusal = from_refusal(answer.refusal)
        refusal.request_id = answer.request_id
        if isinstance(refusal, (Unavailable, Overloaded)):
            self._wait_again([item])
            return refusal
        self._refuse(item, refusal)
        return None

    def stream_ended(self) -> None:
        """What has no answer is to be sent again, on another stream."""
        self._sent = 0
        self._wait_again(list(self._in_flight))
        self._in_flight.clear()
        self._busy.clear()

    def ready(self) -> Iterator[Outcome]:
        """Gives out those at the front that have their outcome."""
        while self._items and self._items[0].outcome is not None:
            outcome = self._items.popleft().outcome
            if outcome is not None:
                yield outcome

    def _refuse(self, item: _Item, error: CheckpointSignerError) -> None:
        item.outcome = Outcome(item.given, None, error)
        if item.ledger_id:
            self._held.setdefault(item.ledger_id, error)

    def _wait_again(self, items: list[_Item]) -> None:
        self._waiting = sorted([*items, *self._waiting], key=lambda item: item.number)


def check_answer(asked: Checkpoint | None, message: messages.SignedCheckpoint) -> SignedCheckpoint:
    """The signed checkpoint of an answer, if it is the one that was asked for."""
    if asked is not None and not message.published_json:
        return from_wire_alone(asked, message)
    signed = from_wire(message)
    if asked is None or signed.checkpoint.payload() != asked.payload():
        raise UnexpectedAnswer.of("signed_checkpoint: is another checkpoint than the one that was sent")
    return signed
