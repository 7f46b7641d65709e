"""Checkpoints that are seen together."""

import hashlib
import json

from .signing import FIRST, OTHER, SECOND, VERSION, content, published


def histories() -> dict:
    cases: list[dict] = []

    def case(name: str, what: list, *findings: tuple, copies: int = 0) -> None:
        """`what`: contents, or texts. A finding: its name, the two checkpoints by their places from 0 on, and of a GAP the days."""
        checkpoints = [one if isinstance(one, str) else published(FIRST, one) for one in what]
        told = [{"finding": found, "checkpoints": [one, other], **({"days": days[0]} if days else {})} for found, one, other, *days in findings]
        cases.append({"name": name, "keyring": "honest", "checkpoints": checkpoints, "findings": told, "copies": copies})

    def at(day: int, count: int, **changed: object) -> dict:
        hashed = "sha256:" + hashlib.sha256(str(count).encode()).hexdigest()
        return content(f"2025-06-{day:02}", **{"entry_count": count, "cumulative_hash": hashed, **changed})

    x, other = {"cumulative_hash": "sha256:" + "ee" * 32}, {"ledger_id": "org_other"}
    case("nothing", [])
    case("one", [at(1, 5)])
    case("day by day", [at(1, 5), at(2, 7), at(3, 7, checkpoint_id="quiet")])
    case("in another order", [at(3, 9), at(1, 5), at(2, 7)])
    case("the same twice", [at(1, 5), at(1, 5)], copies=1)
    case("the same thrice, in other white space", [at(1, 5), json.dumps(json.loads(published(FIRST, at(1, 5))), indent=1), at(1, 5)], copies=2)
    again = published(FIRST, at(1, 5), at="2025-06-03")
    case("the same, signed twice", [at(1, 5), again], copies=1)
    case("two ledgers, each by itself", [at(1, 5), at(1, 3, **other)])
    case("a day is missing", [at(1, 5), at(3, 7)], ("GAP", 0, 1, 1))
    case("a month is missing, later ones first", [at(28, 9), at(1, 5)], ("GAP", 1, 0, 26))
    case("two on one day", [at(1, 5), content("2025-06-01", checkpoint_id="b", entry_count=6, timestamp="2025-06-01T12:00:00Z")], ("ENTRY_COUNT_FELL", 1, 0))
    case("the count falls", [at(1, 7), at(2, 5)], ("ENTRY_COUNT_FELL", 0, 1))
    case("the count falls and rises", [at(1, 7), at(2, 5), at(3, 6)], ("ENTRY_COUNT_FELL", 0, 1))
    case("the count falls twice", [at(1, 7), at(2, 5), at(3, 4)], ("ENTRY_COUNT_FELL", 0, 1), ("ENTRY_COUNT_FELL", 1, 2))
    case("the count falls twice, given in another order", [at(3, 4), at(1, 7), at(2, 5)], ("ENTRY_COUNT_FELL", 1, 2), ("ENTRY_COUNT_FELL", 2, 0))
    case("two gaps, given in another order", [at(9, 9), at(1, 5), at(4, 7)], ("GAP", 1, 2, 2), ("GAP", 2, 0, 4))
    case("the count falls, given in another order", [at(2, 5), at(1, 7)], ("ENTRY_COUNT_FELL", 1, 0))
    case("at one time the smaller count is first", [at(1, 7), content("2025-06-01", checkpoint_id="b", entry_count=5)])
    case("two contents of one name", [at(1, 5), at(1, 6)], ("SECOND_CONTENT", 0, 1))
    case("two contents of one name, in one place", [at(1, 5), at(1, 5, **x)], ("SECOND_CONTENT", 0, 1))
    case("two contents of one name, which differ in a member that is not known", [at(1, 5), at(1, 5, note=1)], ("SECOND_CONTENT", 0, 1))
    case("three contents of one name", [at(1, 5), at(1, 6), at(1, 7)], ("SECOND_CONTENT", 0, 1), ("SECOND_CONTENT", 0, 2))
    case("three contents of one name, with copies", [at(1, 7), at(1, 7), at(1, 5), at(1, 6), at(1, 5)], ("SECOND_CONTENT", 0, 2), ("SECOND_CONTENT", 0, 3), copies=2)
    case("one name in two ledgers", [at(1, 5), at(1, 6, **other)])
    case("two hashes in one place", [at(1, 5), at(2, 5, **x)], ("SECOND_HISTORY", 0, 1))
    case("two volumes in one place", [at(1, 5), at(2, 5, total_volume=1)], ("SECOND_HISTORY", 0, 1))
    case("three hashes in one place", [at(1, 5), at(2, 5, **x), at(3, 5, total_volume=1)], ("SECOND_HISTORY", 0, 1), ("SECOND_HISTORY", 0, 2))
    case("two hashes in one place, each under two names", [at(1, 5), at(2, 5), at(3, 5, **x), at(4, 5, **x)], ("SECOND_HISTORY", 0, 2))
    case("two hashes in one place, of one name and of others", [at(1, 5), at(1, 5, **x), at(2, 5)], ("SECOND_CONTENT", 0, 1), ("SECOND_HISTORY", 1, 2))
    case("two hashes in one place, of one name and of others behind it", [at(1, 5), at(1, 5, **x), at(2, 5, **x)], ("SECOND_CONTENT", 0, 1), ("SECOND_HISTORY", 0, 2))
    inside = [at(1, 5), at(2, 6), at(3, 6, **x), at(4, 5, **x)]
    case("two places with two hashes, the one inside of the other", inside, ("SECOND_HISTORY", 0, 3), ("SECOND_HISTORY", 1, 2), ("ENTRY_COUNT_FELL", 2, 3))
    case("the same hash in two places", [at(1, 5), content("2025-06-02", entry_count=6, cumulative_hash=at(1, 5)["cumulative_hash"])])
    case("two ledgers, each with two histories", [at(1, 5), at(1, 5, **other), at(2, 5, **x, **other), at(2, 5, **x)], ("SECOND_HISTORY", 0, 3), ("SECOND_HISTORY", 1, 2))
    case("several faults of several names", [at(2, 5), at(1, 4), at(1, 6), at(2, 8)], ("SECOND_CONTENT", 0, 3), ("SECOND_CONTENT", 1, 2), ("ENTRY_COUNT_FELL", 2, 0))
    case("what is not authentic says nothing", [at(1, 5), published(FIRST, at(2, 5)).replace('"entry_count":5', '"entry_count":4'), "{}", published(OTHER, at(1, 9))])
    broken = published(FIRST, at(9, 9, **other)).replace('"entry_count":9', '"entry_count":8')
    both = [broken, at(1, 5), at(1, 6), at(1, 5, **other), at(1, 6, **other)]
    case("of two ledgers, the one whose first checkpoint is not authentic", both, ("SECOND_CONTENT", 1, 2), ("SECOND_CONTENT", 3, 4))
    case("what was signed outside of the window says nothing", [at(1, 5), published(FIRST, at(1, 6), at="2026-06-01")])
    return {"version": VERSION, "keyrings": {"honest": {"keys": [FIRST.jwk(), SECOND.jwk()]}}, "cases": cases}
