"""A value of a wrong kind is told with what would be right."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import checkpoint, members

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import AsyncClient, Checkpoint, Client, Keyring, RetryPolicy, Tls

CLIENT: Any = Client("127.0.0.1:1")
ASYNC: Any = AsyncClient("127.0.0.1:1")
ANY: Any = signer


async def asynchronous():
    yield checkpoint()


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda: CLIENT.sign("{}"), "checkpoint: is a str; .* Checkpoint.from_json reads the text"),
        (lambda: CLIENT.sign(b"{}"), "checkpoint: is a bytes; .* Checkpoint.from_json reads the text"),
        (lambda: CLIENT.sign(None), "checkpoint: is None; expected a Checkpoint, or a mapping"),
        (lambda: CLIENT.sign_many(members()), r"checkpoints: is a dict; .* such as \[checkpoint\]"),
        (lambda: CLIENT.sign_many(checkpoint()), r"checkpoints: is a Checkpoint; .* such as \[checkpoint\]"),
        (lambda: CLIENT.sign_many(asynchronous()), "checkpoints: is an async_generator; .* AsyncClient takes"),
        (lambda: CLIENT.sign_many(7), "checkpoints: is an int; expected an iterable"),
        (lambda: list(CLIENT.sign_many(["{}"])), "checkpoint: is a str; .* Checkpoint.from_json"),
        (lambda: ASYNC.sign_many(members()), "checkpoints: is a dict; .* such as"),
        (lambda: CLIENT.get_signed_checkpoint(b"org", "chk"), r'ledger_id: is a bytes; .*\.decode\("utf-8"\)'),
        (lambda: CLIENT.get_signed_checkpoint("org", 1), "checkpoint_id: is an int; expected a str"),
        (lambda: CLIENT.sign(checkpoint(), request_id=7), "request_id: is an int; expected a str"),
        (lambda: CLIENT.verify(Path("a.json")), "published: is a PosixPath; expected .* JSON as str, bytes"),
        (lambda: ANY.verify(checkpoint(), Keyring([])), "published: is a Checkpoint; .* not signed yet"),
        (lambda: ANY.verify("{}", "{}"), r"keyring: is a str; expected a Keyring; Keyring.from_jwks\(...\) reads"),
        (lambda: ANY.verify_all([], {}), "keyring: is a dict; expected a Keyring"),
        (lambda: ANY.verify("{}", Keyring([]), pin=b"sha256:"), "pin: is a bytes; expected a str"),
        (lambda: ANY.verify_all("{}", Keyring([])), "published: is a str; expected an iterable"),
        (lambda: ANY.Keyring.from_jwks(Path("a")), "keyring: is a PosixPath; expected a JWK Set"),
        (lambda: ANY.Checkpoint(members()), r"checkpoint: is a dict; expected its fields, or Checkpoint.from_dict"),
        (lambda: ANY.Checkpoint("{}"), r"checkpoint: is a str; expected its fields, or Checkpoint.from_json"),
        (lambda: ANY.Checkpoint.from_json(members()), "checkpoint: is a dict; .* Checkpoint.from_dict takes"),
        (lambda: ANY.Checkpoint.from_dict("{}"), "checkpoint: is a str; .* Checkpoint.from_json takes"),
        (lambda: ANY.Client(None), "server: is None; expected an address such as http"),
        (lambda: ANY.Client([50051]), "server: is an int; expected a str"),
        (lambda: ANY.Client("a:1", tls="ca.crt"), r"tls: is a str; expected a Tls, for example Tls\(ca=...\)"),
        (lambda: ANY.Client("a:1", retry=5), r"retry: is an int; expected a RetryPolicy, such as"),
        (lambda: ANY.RetryPolicy(deadline="5"), "deadline: is a str; expected a number of seconds"),
        (lambda: ANY.Tls(ca=b"-----BEGIN"), "tls: ca: is a bytes; expected the path of a PEM file"),
    ],
)
def test_a_type_error_says_what_would_be_right(use, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        use()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("ledger_id", b"org_1", r'expected a string; bytes become one by .decode\("utf-8"\)'),
        ("total_volume", 12.5, "is 12.5; expected an integer of minor units, such as 1250 for 12.50"),
        ("entry_count", 7.0, "is 7.0; expected an integer"),
        ("timestamp", datetime(2025, 1, 15), "has no time zone; expected an aware datetime.*tzinfo=timezone.utc"),
        ("timestamp", date(2025, 1, 15), "is a date; expected an aware datetime, such as"),
        ("timestamp", 1736985599, "is an int; expected an aware datetime, such as"),
    ],
)
def test_a_field_of_a_wrong_kind_says_so_as_well(field: str, value: object, told: str) -> None:
    with pytest.raises(signer.InvalidCheckpoint, match=told) as caught:
        Checkpoint.from_dict(members(**{field: value}))
    assert [one.field for one in caught.value.fields] == [field]


@pytest.mark.parametrize("name", ["", "two words", "x" * 129, "tab\t", "ä"])
def test_a_name_of_a_call_is_fit_for_a_header(name: str) -> None:
    with pytest.raises(ValueError, match=r"request_id: .*expected 1 to 128 visible characters of ASCII"):
        CLIENT.sign(checkpoint(), request_id=name)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(ValueError, match="has a user's name; expected HOST:PORT alone") as caught:
        Client("http://me:hunter2@localhost:1")
    assert "hunter2" not in str(caught.value)


def test_settings_of_the_right_kind_are_taken() -> None:
    Client(("a:1", "b:1"), tls=Tls(), retry=RetryPolicy(deadline=5, first_answer=1)).close()
