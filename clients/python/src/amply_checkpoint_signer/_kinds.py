"""Values of a wrong kind: a `TypeError` that says what was given, what is expected, and how one becomes the other."""

from __future__ import annotations

_VOWELS = "aeiouAEIOU"


def kind_of(value: object) -> str:
    """What a value is, in Python's words and never by its content."""
    if value is None:
        return "is None"
    name = type(value).__name__
    return f"is {'an' if name[:1] in _VOWELS else 'a'} {name}"


def wrong_kind(name: str, value: object, expected: str) -> TypeError:
    """The error to raise."""
    return TypeError(f"{name}: {kind_of(value)}; expected {expected}")


def check_text(name: str, value: object) -> None:
    """Raises unless it is a string."""
    if isinstance(value, (bytes, bytearray)):
        raise wrong_kind(name, value, 'a str; bytes become one by .decode("utf-8")')
    if not isinstance(value, str):
        raise wrong_kind(name, value, "a str")
