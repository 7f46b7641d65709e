"""What goes with a call: its name, the log, and the answer without the content."""

import asyncio
import logging
import subprocess
import sys

import pytest
from conftest import PATIENT, Server, checkpoint, members

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import AsyncClient, Client
from amply_checkpoint_signer.testing import FakeSigner


def test_the_name_of_a_call_stands_in_the_services_log(server: Server) -> None:
    with Client(server.url) as client:
        client.sign(checkpoint(9), request_id="night-7")
        outcomes = list(client.sign_many([checkpoint(10), checkpoint(8)], request_id="batch"))
        with pytest.raises(signer.CheckpointNotFound) as caught:
            client.get_signed_checkpoint("org_1", "none")
    assert outcomes[1].error is not None
    assert outcomes[1].error.request_id == "batch-2"
    # Without a name, one was made, and it is another one each time.
    assert len(caught.value.request_id or "") == len("0123456789abcdef") * 2
    log = (server.folder / "log").read_text()
    assert all(f'"request_id":"{name}"' in log for name in ("night-7", "batch-1", "batch-2"))


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_answer_without_the_content_is_the_same(server: Server, asynchronous: bool) -> None:
    given = [members(n, more={"b": [0.5, None], "a": "ä"}) for n in range(1, 5)]
    with Client(server.url) as client:
        whole = [client.sign(one) for one in given]
        short = [client.sign(one, omit_content=True) for one in given]
        assert short == whole
        assert signer.verify(short[0].published_json, client.keyring()).valid

        async def many() -> list[signer.Outcome]:
            async with AsyncClient(server.url) as own:
                assert await own.sign(given[0], omit_content=True) == whole[0]
                return [one async for one in own.sign_many(given, omit_content=True)]

        outcomes = asyncio.run(many()) if asynchronous else list(client.sign_many(given, omit_content=True))
    assert [one.result() for one in outcomes] == whole


def test_the_log_has_the_trouble_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="amply_checkpoint_signer")
    given = members(more="SECRET")
    with FakeSigner() as fake, Client(fake.url, retry=PATIENT) as client:
        client.sign(given, request_id="night-7")
        fake.refuse("OVERLOADED")
        client.sign(given, request_id="night-8")
        fake.refuse("OVERLOADED")
        list(client.sign_many([given], request_id="batch"))
        fake.refuse("RECORD_STORE_UNAVAILABLE", times=None, message="SECRET")
        with Client(fake.url, retry=signer.RetryPolicy(deadline=0.2)) as hasty, pytest.raises(signer.Unavailable):
            hasty.sign(given, request_id="night-9")
    records = [one for one in caplog.records if one.name == "amply_checkpoint_signer"]
    assert not any("SECRET" in one.getMessage() for one in records)
    found = [(one.levelname, one.request_id, getattr(one, "reason", "")) for one in records]  # type: ignore[attr-defined]
    assert found[:5] == [
        ("DEBUG", "night-7", ""),
        ("WARNING", "night-8", "OVERLOADED"),
        ("INFO", "night-8", ""),
        ("WARNING", "batch", "OVERLOADED"),
        ("INFO", "batch", ""),
    ]
    assert found[-1] == ("DEBUG", "night-9", "RECORD_STORE_UNAVAILABLE")
    assert all(str(one.request_id) in one.getMessage() for one in records)  # type: ignore[attr-defined]


def test_a_program_that_sets_up_no_logging_sees_none_of_it(server: Server) -> None:
    script = (
        "import amply_checkpoint_signer as s\n"
        "try: s.Client('127.0.0.1:1', retry=s.RetryPolicy(deadline=0.3)).list_keys()\n"
        "except s.Unavailable: pass\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_an_answer_that_is_another_one_has_the_name_of_the_call() -> None:
    class Confused(FakeSigner):
        def _sign(self, message, request_id):
            message.entry_count += 1
            return super()._sign(message, request_id)

    with Confused() as fake, Client(fake.url) as client:
        with pytest.raises(signer.UnexpectedAnswer) as caught:
            client.sign(checkpoint(), request_id="night-7")
        assert caught.value.request_id == "night-7"
        with pytest.raises(signer.UnexpectedAnswer) as caught:
            list(client.sign_many([checkpoint()], request_id="batch"))
        assert caught.value.request_id == "batch"
