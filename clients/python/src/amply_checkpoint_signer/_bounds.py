"""The bounds and forms of the contract, which the service checks as well; here they are met before anything is sent."""

from __future__ import annotations

import re
from datetime import datetime, timezone

MAX_SAFE_INTEGER = 2**53 - 1
"""Largest magnitude of a number: beyond it, the JSON of other languages rounds (RFC 8259, section 6)."""

MAX_PAYLOAD_BYTES = 512 * 1024
"""Largest payload (RFC 8785 form of a checkpoint)."""

MAX_JSON_BYTES = 1024 * 1024
"""Largest published JSON."""

MAX_NESTING = 16
"""Deepest nesting of objects and arrays below a checkpoint's top level."""

MAX_VALUES = 65_536
"""Most values in a checkpoint's content: objects, arrays and what is in them."""

FIXED_VALUES = 9
"""The values of a published checkpoint beside these: the object, its seven members, the signature."""

MAX_IDENTIFIER_BYTES = 128
"""Longest checkpoint_id, ledger_id and key_id."""

_MAX_EXCERPT = 64
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
_FIRST_YEAR = 1970


def excerpt(text: str) -> str:
    """Quotes the start of a text for an error message."""
    quoted = '"' + "".join(_escaped(character) for character in text[:_MAX_EXCERPT]) + '"'
    if len(text) <= _MAX_EXCERPT:
        return quoted
    return f"{quoted}... ({len(text.encode('utf-8', 'surrogatepass'))} bytes)"


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def visible(text: str) -> str:
    """A text from elsewhere for a message: what is unseen, or changes how a terminal shows the rest, is written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _NAMED.get(c, f"\\u{{{ord(c):x}}}") for c in text)


def check_identifier(text: str) -> str | None:
    """What is wrong with an identifier, if something is."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size == 0:
        return f"is empty; expected 1 to {MAX_IDENTIFIER_BYTES} characters"
    if size > MAX_IDENTIFIER_BYTES:
        return f"has {size} bytes; expected 1 to {MAX_IDENTIFIER_BYTES}"
    if _IDENTIFIER.fullmatch(text) is None:
        return f"is {excerpt(text)}; expected letters, digits and . _ : - of ASCII, the first a letter or digit"
    return None


# The rule of the service: words; a hash's name before a colon; 43 characters of base64url alone, or more behind a
# hash's name; 40 hexadecimal digits, or as many with separators.
_HASH_NAME = r"(?:sha|shake|blake|md)[-_]?[0-9]"
_LIKE_FINGERPRINT = re.compile(
    r"fingerprint|thumbprint"
    rf"|(?:^|:){_HASH_NAME}.*:"
    rf"|(?:^|[:.])(?:[a-z0-9_-]{{43}}(?=$|[:.])|(?={_HASH_NAME})[a-z0-9_-]{{44,}})"
    r"|[0-9a-f]{40}"
    r"|^(?:[0-9a-f][-:._]*){40,}$",
    re.IGNORECASE | re.ASCII,
)


def check_key_id(text: str) -> str | None:
    """What is wrong with the name of a key, if something is."""
    wrong = check_identifier(text)
    if wrong is None and _LIKE_FINGERPRINT.search(text) is not None:
        return (
            "could be taken for the fingerprint or thumbprint of a key; expected a name that cannot, such as "
            "amply-checkpoint-key-2027"
        )
    return wrong


def check_hash(text: str) -> str | None:
    """What is wrong with a hash, if something is."""
    if _HASH.fullmatch(text) is None:
        return f"is {excerpt(text)}; expected sha256: and 64 lowercase hexadecimal digits"
    return None


def check_integer(found: int, least: int) -> str | None:
    """What is wrong with an integer, if something is."""
    if not least <= found <= MAX_SAFE_INTEGER:
        return f"is {found}; expected {least} to {MAX_SAFE_INTEGER} (2^53-1)"
    return None


def check_instant(instant: datetime) -> str | None:
    """What is wrong with a checkpoint's timestamp, if something is."""
    if instant.tzinfo is None or instant.utcoffset() is None:
        return "has no time zone; expected an aware datetime, for example with tzinfo=timezone.utc"
    if instant.microsecond != 0:
        return f"has {instant.microsecond * 1000} nanoseconds; expected whole seconds"
    try:
        year = instant.astimezone(timezone.utc).year
    except OverflowError:
        year = 0
    if year < _FIRST_YEAR:
        return f"is {instant.isoformat()}; expected a year from 1970 to 9999"
    return None


def parse_instant(text: str) -> datetime | None:
    """Reads exactly `YYYY-MM-DDTHH:MM:SSZ`, years 1970 to 9999, so that one instant has one text."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        instant = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:
        return None
    return instant if year >= _FIRST_YEAR else None


def instant_text(instant: datetime) -> str:
    """Writes an instant as the published form does."""
    utc = instant.astimezone(timezone.utc)
    # strftime does not pad years below 1000 on every system.
    return f"{utc.year:04}-{utc.month:02}-{utc.day:02}T{utc.hour:02}:{utc.minute:02}:{utc.second:02}Z"
