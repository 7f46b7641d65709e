"""JSON read strictly: what two readers could understand differently is refused, not repaired."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Union

from ._bounds import (
    FIXED_VALUES,
    MAX_JSON_BYTES,
    MAX_NESTING,
    MAX_SAFE_INTEGER,
    MAX_VALUES,
    check_identifier,
    excerpt,
)

JsonValue = Union[None, bool, int, float, str, Sequence["JsonValue"], Mapping[str, "JsonValue"]]
"""What may stand in a checkpoint's own members."""


class Fault(ValueError):
    """One member that is wrong: its path, what was found and what is expected."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class _Members(list[tuple[str, object]]):
    """An object's members as they stand in the text, so that a name that stands twice is seen."""


def parse_object(text: str | bytes) -> dict[str, JsonValue]:
    """Reads a JSON object; raises `Fault` for everything that is not strict."""
    try:
        encoded = text.encode("utf-8") if isinstance(text, str) else text
        decoded = encoded.decode("utf-8")
    except UnicodeError as error:
        raise Fault("json", "is not UTF-8") from error
    if len(encoded) > MAX_JSON_BYTES:
        raise Fault("json", f"has {len(encoded)} bytes; expected at most {MAX_JSON_BYTES}")
    try:
        # Integers as doubles: up to 2^53 a double holds each exactly, and the rest is refused.
        found = json.loads(decoded, object_pairs_hook=_Members, parse_int=float, parse_constant=_no_constant)
    except RecursionError as error:
        raise Fault("json", f"nests deeper than {MAX_NESTING}") from error
    except ValueError as error:
        raise Fault("json", f"is not JSON: {error}") from error
    if not isinstance(found, _Members):
        raise Fault("json", f"{describe(found)}; expected an object")
    if _count(found) > MAX_VALUES + FIXED_VALUES:
        raise Fault("json", f"has more than {MAX_VALUES} values; expected fewer")
    return _object(found, "", 0)


def _count(value: object) -> int:
    """Values in it, itself among them, however deep: json.loads nests deeper than calls in Python may."""
    count, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        count += 1
        if isinstance(one, _Members):
            waiting.extend(member for _, member in one)
        elif isinstance(one, list):
            waiting.extend(one)
    return count


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _object(members: _Members, path: str, depth: int) -> dict[str, JsonValue]:
    _check_nesting(path, depth)
    found: dict[str, JsonValue] = {}
    for name, value in members:
        _check_text(name, path or "json")
        here = f"{path}.{plain_name(name)}" if path else plain_name(name)
        if name in found:
            raise Fault(here, "stands there twice; expected each member once")
        found[name] = _read(value, here, depth + 1)
    return found


def _read(value: object, path: str, depth: int) -> JsonValue:
    if isinstance(value, _Members):
        return _object(value, path, depth)
    if isinstance(value, list):
        _check_nesting(path, depth)
        return [_read(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    return check_value(value, path, depth)


def check_value(value: object, path: str, depth: int) -> JsonValue:
    """A caller's value in the one form that it has in JSON; raises `Fault` when it has none."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _check_text(value, path)
    if isinstance(value, (int, float)):
        return number(value, path)
    if isinstance(value, Mapping):
        _check_nesting(path, depth)
        found: dict[str, JsonValue] = {}
        for name, member in value.items():
            if not isinstance(name, str):
                raise Fault(path, f"has a member named by {type(name).__name__}; expected names that are strings")
            found[_check_text(name, path)] = check_value(member, f"{path}.{plain_name(name)}", depth + 1)
        return found
    if isinstance(value, (list, tuple)):
        _check_nesting(path, depth)
        return [check_value(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Decimal):
        raise Fault(path, f"is Decimal {value}; expected an integer of minor units, or a string")
    raise Fault(path, f"is a {type(value).__name__}; expected null, a boolean, a number, a string, a list or a mapping")


def number(found: int | float, path: str) -> int | float:
    """The one form of a number: integers as integers, none beyond 2^53-1."""
    if (isinstance(found, float) and not math.isfinite(found)) or abs(found) > MAX_SAFE_INTEGER:
        raise Fault(path, f"is {found}; expected a number of magnitude up to {MAX_SAFE_INTEGER} (2^53-1)")
    return int(found) if found == int(found) else found


def plain_name(name: str) -> str:
    """A member's name in a path."""
    return name if check_identifier(name) is None else excerpt(name)


def describe(value: object) -> str:
    """What a JSON value is, for an error message."""
    if value is None:
        return "is null"
    names = ((bool, "a boolean"), ((int, float), "a number"), (str, "a string"), (_Members, "an object"))
    for kind, name in names:
        if isinstance(value, kind):
            return f"is {name}"
    if isinstance(value, Mapping):
        return "is an object"
    return "is an array" if isinstance(value, (list, tuple)) else f"is a {type(value).__name__}"


def _check_text(text: str, path: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Fault(path, "has half of a surrogate pair; expected Unicode characters") from error
    return text


def _check_nesting(path: str, depth: int) -> None:
    # The top-level object is not counted: a member's value may nest MAX_NESTING deep.
    if depth > MAX_NESTING:
        member = path.split("[", 1)[0].split(".", 1)[0]
        raise Fault(member, f"nests deeper than {MAX_NESTING}; expected fewer objects and arrays in one another")
