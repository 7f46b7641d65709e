"""Signing, one and many, and what is refused."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest
from conftest import GOLDEN, PATIENT, Server, checkpoint, members

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import AsyncClient, Client, _aio, _client, _stream


def test_a_checkpoint_is_signed_and_the_same_again_gets_the_same_bytes(server: Server) -> None:
    with Client(server.url) as client:
        typed, as_json = client.sign(checkpoint()), client.sign(members())
        assert typed == as_json
        published = json.loads(typed.published_json)
        assert published.pop("signature") == typed.signature
        assert published == members()
        recorded = client.get_signed_checkpoint("org_1", "chk_1")
        assert (recorded.signed, recorded.position) == (typed, 1)
        verdict = client.verify(typed)
        assert (verdict.kind, verdict.recorded, verdict.signed_at) == ("VALID", True, typed.signed_at)
        assert signer.verify(typed, client.keyring()).valid
        assert [(key.state, key.signing) for key in client.list_keys()] == [("ACTIVE", True)]


def test_the_async_client_does_the_same(server: Server) -> None:
    async def use() -> None:
        async with AsyncClient(server.url) as client:
            signed = await client.sign(checkpoint(more={"ratio": 0.1, "tags": ["ä", None, True, []]}))
            assert signer.verify(signed.published_json, await client.keyring()).valid
            assert (await client.verify(signed)).recorded
            assert (await client.get_signed_checkpoint("org_1", "chk_1")).signed == signed
            with pytest.raises(signer.Equivocation):
                await client.sign(checkpoint(total_volume=7))
            outcomes = [one async for one in client.sign_many(checkpoint(n, f"many_{n}") for n in range(300))]
            assert [one.result().checkpoint.entry_count for one in outcomes] == list(range(300))

    asyncio.run(use())


def test_each_refusal_is_an_exception_with_its_reason(server: Server) -> None:
    with Client(server.url) as client:
        client.sign(checkpoint(5))
        with pytest.raises(signer.Equivocation) as caught:
            client.sign(checkpoint(5, total_volume=1))
        assert (caught.value.reason, caught.value.code.name) == ("EQUIVOCATION", "ALREADY_EXISTS")
        assert "has another checkpoint chk_5" in caught.value.message
        with pytest.raises(signer.Rollback) as rollback:
            client.sign(checkpoint(4))
        assert not rollback.value.retry_later
        with pytest.raises(signer.InvalidCheckpoint) as invalid:
            client.sign(checkpoint(6, timestamp="2999-01-01T00:00:00Z"))
        assert [one.field for one in invalid.value.fields] == ["timestamp"]
        with pytest.raises(signer.CheckpointNotFound):
            client.get_signed_checkpoint("org_1", "chk_none")


@pytest.mark.parametrize(
    ("keys", "kind"), [("expired.json", signer.KeyExpired), ("scheduled.json", signer.KeyNotYetValid)]
)
def test_a_window_that_does_not_hold_is_told_at_once(start, keys: str, kind: type) -> None:
    with Client(start(keys).url) as client, pytest.raises(kind) as caught:
        client.sign(checkpoint())
    assert caught.value.retry_later
    assert isinstance(caught.value, signer.NoKeyInForce)


def test_a_revoked_key_is_told(server: Server) -> None:
    key_id = json.loads((server.folder / "keys.json").read_text())["key_id"]
    server.run("keys", "revoke", key_id, "--reason", "a test")
    with Client(server.url) as client, pytest.raises(signer.KeyRevoked):
        client.sign(checkpoint())


def test_many_are_answered_in_order_and_a_refusal_holds_its_ledger_alone(server: Server) -> None:
    with Client(server.url) as client:
        client.sign(checkpoint(9, "org_bad"))
        given = [checkpoint(1, "org_a"), checkpoint(8, "org_bad"), checkpoint(10, "org_bad"), members(1, "org_b")]
        given += [members(2, "org_a"), members(1, "org_c", entry_count=2**53), members(2, "org_c"), members(2, "org_b")]
        outcomes = list(client.sign_many(iter(given)))
    assert [one.checkpoint for one in outcomes] == given
    reasons = [one.error.reason if one.error else "" for one in outcomes]
    assert reasons == ["", "ROLLBACK", "LEDGER_HELD", "", "", "INVALID_CHECKPOINT", "LEDGER_HELD", ""]
    assert isinstance(outcomes[2].error.__cause__, signer.Rollback)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_service_that_is_killed_again_and_again_signs_each_checkpoint_once(
    server: Server, asynchronous: bool
) -> None:
    given = [checkpoint(1 + n // 7, f"org_{n % 7}") for n in range(2_000)]
    over = threading.Event()

    def trouble() -> None:
        for _ in range(4):
            time.sleep(0.15)
            server.restart()
        over.set()

    thread = threading.Thread(target=trouble)

    def source():
        for n, one in enumerate(given):
            # Slow enough that all of the trouble falls into the run.
            if not over.is_set() and n % 100 == 0:
                time.sleep(0.05)
            yield one

    async def many() -> list[signer.Outcome]:
        async with AsyncClient(server.url, retry=PATIENT) as client:
            return [one async for one in client.sign_many(source())]

    thread.start()
    if asynchronous:
        outcomes = asyncio.run(many())
    else:
        with Client(server.url, retry=PATIENT) as client:
            outcomes = list(client.sign_many(source()))
    thread.join()
    signatures = [one.result().published_json for one in outcomes]
    with Client(server.url) as client:
        assert [client.sign(one).published_json for one in given[::50]] == signatures[::50]
        last = client.sign(checkpoint(1, "org_last"))
        assert client.get_signed_checkpoint(last.checkpoint.ledger_id, "chk_1").position == len(given) + 1


@pytest.mark.parametrize("edge", [_client, _aio])
def test_no_stream_has_more_than_its_share(server: Server, edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    class Counted(edge._Stream):  # type: ignore[misc, name-defined]
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            sent.append(0)

        def send(self, requests: list, *more: Any) -> Any:
            sent[-1] += len(requests)
            return super().send(requests, *more)

    monkeypatch.setattr(edge, "_Stream", Counted)
    monkeypatch.setattr(_stream, "_STREAM_ITEMS", 10)
    given = [checkpoint(1 + n // 7, f"org_{n % 7}") for n in range(95)]

    async def many() -> list[signer.Outcome]:
        async with AsyncClient(server.url) as client:
            return [one async for one in client.sign_many(given)]

    if edge is _aio:
        outcomes = asyncio.run(many())
    else:
        with Client(server.url) as client:
            outcomes = list(client.sign_many(given))
    assert [one.result().checkpoint for one in outcomes] == given
    assert sent == [10] * 9 + [5]


def test_the_golden_payload_is_made(server: Server) -> None:
    read = signer.Checkpoint.from_json((GOLDEN / "checkpoint.json").read_bytes())
    assert read.payload() == (GOLDEN / "payload").read_bytes()
