"""What shows when checkpoints are seen together, of each ledger by itself: two contents of one name, two histories
of one place, a count that falls, days without any."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from itertools import pairwise
from typing import NamedTuple

from ._checkpoint import read_published
from ._keyring import Keyring, check_keyring
from ._kinds import wrong_kind
from ._verify import Published, Verdict, published_text, verify

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class FindingKind(str, Enum):
    """What two valid checkpoints of one ledger say of each other; the names of the contract."""

    SECOND_CONTENT = "SECOND_CONTENT"
    """Two contents of one `checkpoint_id`."""
    SECOND_HISTORY = "SECOND_HISTORY"
    """Another hash or volume at one `entry_count`."""
    ENTRY_COUNT_FELL = "ENTRY_COUNT_FELL"
    """The later one, by its timestamp, has the smaller `entry_count`."""
    GAP = "GAP"
    """There is none for the days between. A note, and no fault: a ledger may publish more rarely."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Finding:
    """A finding about two checkpoints."""

    kind: FindingKind
    checkpoints: tuple[int, int]
    """Their places among those that were given, from 0 on: as they came, or by their times where it is about these."""
    days: int | None = None
    """Of a gap, how many days have none."""

    @property
    def is_fault(self) -> bool:
        """Whether it is a fault, and no mere note."""
        return self.kind is not FindingKind.GAP


@dataclass(frozen=True)
class Together:
    """What was found of checkpoints that were seen together."""

    verdicts: list[Verdict]
    """A verdict on each, in their order."""
    findings: list[Finding]
    """Faults and notes, by their kind, in the order in which the ledgers and their checkpoints came."""
    copies: int
    """How many were there already, with the same content."""

    @property
    def valid(self) -> bool:
        """Whether there are any, each is valid, and nothing contradicts anything else."""
        if not self.verdicts or any(found.is_fault for found in self.findings):
            return False
        return all(verdict.valid for verdict in self.verdicts)


def verify_all(published: Iterable[Published], keyring: Keyring, pin: str | None = None) -> Together:
    """Verifies published checkpoints, and holds the valid ones of each ledger against each other: what is not valid
    says nothing about a history. Takes and raises what `verify` does. The contents are kept in memory.
    """
    check_keyring(keyring)
    if isinstance(published, (str, bytes, Mapping)) or not isinstance(published, Iterable):
        raise wrong_kind("published", published, "an iterable of published checkpoints, such as [published]")
    verdicts, ledgers, copies = [], dict[str, list[_Row]](), 0
    for place, one in enumerate(published):
        verdict = verify(one, keyring, pin)
        verdicts.append(verdict)
        if verdict.valid:
            row = _Row.of(place, one)
            ledgers.setdefault(row.ledger_id, []).append(row)
    found: dict[FindingKind, list[Finding]] = {kind: [] for kind in FindingKind}
    for rows in ledgers.values():
        copies += len(rows) - len({(row.checkpoint_id, row.content) for row in rows})
        for finding in (*_second_contents(rows), *_second_histories(rows), *_in_time(rows)):
            found[finding.kind].append(finding)
    return Together(verdicts, [finding for kind in found.values() for finding in kind], copies)


class _Row(NamedTuple):
    place: int
    ledger_id: str
    checkpoint_id: str
    entry_count: int
    state: tuple[str, int]
    seconds: int
    content: bytes

    @classmethod
    def of(cls, place: int, published: Published) -> _Row:
        checkpoint, _ = read_published(published_text(published))
        state = (checkpoint.cumulative_hash, checkpoint.total_volume)
        seconds = int((checkpoint.timestamp - _EPOCH).total_seconds())
        names = (checkpoint.ledger_id, checkpoint.checkpoint_id)
        return cls(place, *names, checkpoint.entry_count, state, seconds, checkpoint.payload())


def _groups(rows: Iterable[_Row], key: Callable[[_Row], Hashable]) -> list[list[_Row]]:
    """What has the same key, in the order in which the first of each came."""
    groups: dict[Hashable, list[_Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return list(groups.values())


def _told(kind: FindingKind, pairs: Iterable[tuple[_Row, _Row]]) -> list[Finding]:
    places = sorted((min(one.place, other.place), max(one.place, other.place)) for one, other in pairs)
    return [Finding(kind, pair) for pair in places]


def _second_contents(rows: list[_Row]) -> list[Finding]:
    """Of each name, its first content beside each other one."""
    pairs: list[tuple[_Row, _Row]] = []
    for group in _groups(rows, lambda row: row.checkpoint_id):
        first, *others = (same[0] for same in _groups(group, lambda row: row.content))
        pairs.extend((first, other) for other in others)
    return _told(FindingKind.SECOND_CONTENT, pairs)


def _second_histories(rows: list[_Row]) -> list[Finding]:
    """Of each place, its first state beside each other one, by checkpoints of different names: where there are none,
    the name has two contents, which is told already."""
    pairs: list[tuple[_Row, _Row]] = []
    for group in _groups(rows, lambda row: row.entry_count):
        first, *others = _groups(group, lambda row: row.state)
        for other in others:
            of_two_names = ((one, two) for one, two in _nearest(first, other) if one.checkpoint_id != two.checkpoint_id)
            pairs.extend([pair for pair in [next(of_two_names, None)] if pair is not None])
    return _told(FindingKind.SECOND_HISTORY, pairs)


def _nearest(first: list[_Row], other: list[_Row]) -> Iterable[tuple[_Row, _Row]]:
    yield from ((first[0], row) for row in other)
    yield from ((row, other[0]) for row in first)


def _in_time(rows: list[_Row]) -> Iterable[Finding]:
    in_order = sorted(rows, key=lambda row: (row.seconds, row.entry_count, row.place))
    for before, row in pairwise(in_order):
        places = (before.place, row.place)
        if row.entry_count < before.entry_count:
            yield Finding(FindingKind.ENTRY_COUNT_FELL, places)
        days = row.seconds // 86_400 - before.seconds // 86_400 - 1
        if days > 0:
            yield Finding(FindingKind.GAP, places, days)
