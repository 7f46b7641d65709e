"""The signer for the tests of others: it answers as the service does."""

import asyncio
from datetime import datetime, timezone

import pytest
from conftest import PATIENT, Server, checkpoint, members

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import AsyncClient, Client
from amply_checkpoint_signer._errors import BY_REASON, from_refusal
from amply_checkpoint_signer.testing import Asked, FakeSigner, _error, _status

NOON = datetime(2025, 6, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def fake():
    with FakeSigner(clock=lambda: NOON) as running:
        yield running


def test_it_signs_what_verifies_and_counts(fake: FakeSigner) -> None:
    with Client(fake.url) as client:
        signed = client.sign(checkpoint(1), request_id="night-7")
        assert client.sign(members(1), omit_content=True) == signed
        assert signed.signed_at == NOON
        assert signer.verify(signed, fake.keyring()).valid
        assert signer.verify(signed, client.keyring(), pin=client.list_keys()[0].fingerprint).valid
        assert client.verify(signed).recorded
        assert client.verify(signed.published_json.replace("chk_1", "chk_2")).kind == "INVALID_SIGNATURE"
        found = client.get_signed_checkpoint("org_1", "chk_1")
        assert (found.signed, found.position) == (signed, 1)
    assert fake.calls["SignCheckpoint"] == len(fake.asked) == 2
    assert fake.asked[0] == Asked("org_1", "chk_1", "night-7")
    assert fake.signed == [signed]


def test_it_refuses_on_demand_and_the_client_retries_what_may_be(fake: FakeSigner) -> None:
    with Client(fake.url, retry=PATIENT) as client:
        fake.refuse("OVERLOADED", times=2)
        client.sign(checkpoint(1))
        assert fake.calls["SignCheckpoint"] == 3
        fake.refuse("KEY_EXPIRED", ledger_id="org_2", times=None, message="the key has ended")
        client.sign(checkpoint(2))
        with pytest.raises(signer.KeyExpired, match="the key has ended"):
            client.sign(checkpoint(1, "org_2"))
        outcomes = list(client.sign_many([checkpoint(1, "org_2"), checkpoint(3), checkpoint(2, "org_2")]))
        assert [one.error.reason if one.error else "" for one in outcomes] == ["KEY_EXPIRED", "", "LEDGER_HELD"]
        fake.accept()
        client.sign(checkpoint(1, "org_2"))
        with pytest.raises(ValueError, match=r"reason: is EXPIRED; expected one of .*KEY_EXPIRED"):
            fake.refuse("EXPIRED")


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_what_it_refuses_is_read_as_what_it_is(reason: str) -> None:
    found = from_refusal(_status(_error(reason, "a test")))
    assert (type(found), found.reason, found.message) == (BY_REASON[reason], reason, "a test")


def test_a_refusal_has_the_code_and_the_fields_of_the_service(server: Server, fake: FakeSigner) -> None:
    refused = [
        checkpoint(5, total_volume=1),
        checkpoint(5, checkpoint_id="chk_other", total_volume=1),
        checkpoint(4),
        checkpoint(5, checkpoint_id="chk_later", timestamp="2024-01-15T23:59:59Z"),
    ]
    found = []
    for url in (server.url, fake.url):
        with Client(url) as client:
            client.sign(checkpoint(5))
            for given in refused:
                with pytest.raises(signer.CheckpointSignerError) as caught:
                    client.sign(given)
                found.append((caught.value.reason, caught.value.code, caught.value.fields))
    assert found[:4] == found[4:]


@pytest.mark.parametrize("place", ["fake", "server"])
def test_its_history_is_that_of_the_service(fake: FakeSigner, server: Server, place: str) -> None:
    url = fake.url if place == "fake" else server.url
    tries = [
        (checkpoint(5), ""),
        (checkpoint(5), ""),
        (checkpoint(5, total_volume=1), "EQUIVOCATION"),
        (checkpoint(5, checkpoint_id="chk_again"), ""),
        (checkpoint(5, checkpoint_id="chk_other", total_volume=1), "EQUIVOCATION"),
        (checkpoint(4), "ROLLBACK"),
        (checkpoint(6, timestamp="2024-01-15T23:59:59Z"), "ROLLBACK"),
        (checkpoint(4, "org_2"), ""),
    ]
    with Client(url) as client:
        for given, reason in tries:
            (outcome,) = client.sign_many([given])
            assert (outcome.error.reason if outcome.error else "") == reason, given
        with pytest.raises(signer.CheckpointNotFound):
            client.get_signed_checkpoint("org_1", "chk_none")


def test_it_comes_back_at_the_same_address_and_remembers(fake: FakeSigner) -> None:
    async def use() -> None:
        async with AsyncClient(fake.url, retry=PATIENT) as client:
            signed = await client.sign(checkpoint())
            fake.stop()
            waiting = asyncio.ensure_future(client.sign(checkpoint()))
            await asyncio.sleep(0.1)
            fake.start()
            assert await waiting == signed

    asyncio.run(use())
