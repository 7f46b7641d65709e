"""What is tried again, until when, and on which replica."""

import asyncio
import itertools
import os
import signal
import socket
import time

import grpc
import pytest
from conftest import PATIENT, Server, checkpoint
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo

import amply_checkpoint_signer as signer
from amply_checkpoint_signer import AsyncClient, Client, RetryPolicy
from amply_checkpoint_signer._errors import BY_REASON, from_status
from amply_checkpoint_signer._retry import Attempts
from amply_checkpoint_signer._transport import Replicas


def failure(code: grpc.StatusCode, reason: str = "", retry_delay: float | None = None) -> signer.CheckpointSignerError:
    details = []
    if reason:
        details.append(Any())
        details[0].Pack(ErrorInfo(reason=reason, domain="checkpoint-signer"))
    found = from_status(code, "a test", details)
    found.retry_delay = retry_delay
    return found


def attempts(replicas: int = 1) -> Attempts:
    return Attempts(RetryPolicy(), ["a:1"] * replicas, clock=lambda: 0.0, jitter=lambda most: most).begin()


def test_pauses_double_up_to_a_bound() -> None:
    tried = attempts()
    lost = failure(grpc.StatusCode.UNAVAILABLE)
    assert [tried.after(lost) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_the_service_says_how_long_to_wait() -> None:
    overloaded = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", 0.25)
    assert isinstance(overloaded, signer.Overloaded)
    assert attempts().after(overloaded) == pytest.approx(0.35)


def test_the_first_pass_over_the_replicas_does_not_wait() -> None:
    tried = attempts(3)
    lost = failure(grpc.StatusCode.UNAVAILABLE)
    assert [tried.after(lost) for _ in range(4)] == [0.0, 0.0, 0.1, 0.2]


def test_the_deadline_ends_all_of_it() -> None:
    now = [0.0]
    tried = Attempts(RetryPolicy(deadline=10), ["a:1"], clock=lambda: now[0], jitter=lambda most: most).begin()
    tried.after(failure(grpc.StatusCode.UNAVAILABLE))
    now[0] = 9.9
    assert tried.timeout() == pytest.approx(0.1)
    with pytest.raises(
        signer.Unavailable, match=r"deadline: no attempt succeeded in 9.9 of 10 s, by 2 attempts at a:1"
    ) as ended:
        tried.after(failure(grpc.StatusCode.UNAVAILABLE))
    assert ended.value.message.endswith("the last attempt: a test")


def test_an_address_where_nobody_ever_answered_is_told_after_seconds() -> None:
    now, heard = [0.0], [False]
    told = {"is_heard": lambda: heard[0], "clock": lambda: now[0], "jitter": lambda most: most}
    tried = Attempts(RetryPolicy(), ["a:1"], **told).begin()
    tried.after(failure(grpc.StatusCode.UNAVAILABLE))
    now[0] = 11.0
    told_so = r"first_answer: nobody was reached in 11.0 of 10 s.*at a:1.*first_answer="
    with pytest.raises(signer.Unavailable, match=told_so):
        tried.after(failure(grpc.StatusCode.UNAVAILABLE))
    # What a service says, and one that answered before, have the whole deadline.
    tried.after(failure(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN"))
    heard[0] = True
    tried.after(failure(grpc.StatusCode.UNAVAILABLE))


@pytest.mark.parametrize("reason", ["EQUIVOCATION", "ROLLBACK", "INVALID_CHECKPOINT", "KEY_REVOKED", "ROLE_REQUIRED"])
def test_what_waiting_cannot_mend_is_raised_at_once(reason: str) -> None:
    with pytest.raises(BY_REASON[reason]):
        attempts(3).after(failure(grpc.StatusCode.FAILED_PRECONDITION, reason))


@pytest.mark.parametrize("reason", ["KEY_EXPIRED", "KEY_NOT_YET_VALID", "NO_SIGNING_KEY", "CLOCK_WENT_BACK"])
def test_what_may_differ_elsewhere_is_asked_of_each_replica_once(reason: str) -> None:
    tried, refused = attempts(2), failure(grpc.StatusCode.FAILED_PRECONDITION, reason)
    assert tried.after(refused) == 0.0
    with pytest.raises(BY_REASON[reason]):
        tried.after(refused)


def test_a_refused_certificate_is_tried_again_only_when_there_is_a_new_one() -> None:
    refused = failure(grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_REFUSED")
    assert attempts().after(refused, renewed=True) == 0.1
    with pytest.raises(signer.CertificateRefused):
        attempts().after(refused)
    with pytest.raises(signer.RoleRequired):
        attempts().after(failure(grpc.StatusCode.PERMISSION_DENIED, "ROLE_REQUIRED"), renewed=True)


def test_an_unknown_reason_falls_back_and_keeps_its_name() -> None:
    unknown = failure(grpc.StatusCode.FAILED_PRECONDITION, "NEW_REASON")
    assert (type(unknown), unknown.reason) == (signer.CheckpointSignerError, "NEW_REASON")


def nobody() -> tuple[socket.socket, str]:
    """A port that is taken, so that nobody else gets it, and does not listen."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, f"127.0.0.1:{taken.getsockname()[1]}"


def test_nobody_there_is_unavailable_after_the_deadline() -> None:
    taken, address = nobody()
    with taken, Client(address, retry=RetryPolicy(deadline=0.5)) as client:
        with pytest.raises(signer.Unavailable):
            client.sign(checkpoint())
        with pytest.raises(signer.Unavailable):
            list(client.sign_many([checkpoint()]))


def test_another_replica_answers_for_one_that_is_away(start, shared_record: str) -> None:
    first, second = start(record=shared_record), start(record=shared_record)
    with Client([first.url, second.url], retry=PATIENT) as client:
        signed = client.sign(checkpoint(1))
        first.kill()
        assert client.sign(checkpoint(1)) == signed
        outcomes = list(client.sign_many(checkpoint(n) for n in range(2, 20)))
        assert all(one.signed for one in outcomes)
        first.start()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_both_replicas_are_used_again_after_one_of_them_was_restarted(
    start, shared_record: str, asynchronous: bool
) -> None:
    replicas = [start(record=shared_record), start(record=shared_record)]
    ledger = f"org_balance_{asynchronous}"

    def used(phase: str) -> set[int]:
        return {place for place, one in enumerate(replicas) if f"{ledger}-{phase}-" in (one.folder / "log").read_text()}

    async def use() -> None:
        async with AsyncClient([one.url for one in replicas], retry=PATIENT) as client:
            await sign_until(client.sign, "before", lambda: used("before") == {0, 1})
            replicas[0].kill()
            await client.sign(checkpoint(1, ledger), request_id=f"{ledger}-during-0")
            assert used("during") == {1}
            replicas[0].start()
            await sign_until(client.sign, "after", lambda: used("after") == {0, 1})

    async def sign_until(sign, phase: str, is_done) -> None:
        deadline = time.monotonic() + 60
        for number in itertools.count():
            await sign(checkpoint(1, ledger), request_id=f"{ledger}-{phase}-{number}")
            if is_done():
                return
            assert time.monotonic() < deadline, phase
            await asyncio.sleep(0.05)

    if asynchronous:
        asyncio.run(use())
        return
    with Client([one.url for one in replicas], retry=PATIENT) as client:

        async def sign(*given: object, **named: object) -> object:
            return client.sign(*given, **named)  # type: ignore[arg-type]

        asyncio.run(sign_until(sign, "before", lambda: used("before") == {0, 1}))
        replicas[0].kill()
        client.sign(checkpoint(1, ledger), request_id=f"{ledger}-during-0")
        replicas[0].start()
        asyncio.run(sign_until(sign, "after", lambda: used("after") == {0, 1}))


def test_a_replica_that_fails_rests_longer_each_time_and_its_turn_comes_again() -> None:
    now = [0.0]
    replicas = Replicas(["a:1", "b:1"], None, lambda target, *_: target, clock=lambda: now[0])
    replicas._turn = 0

    def turns(count: int) -> list[str]:
        links = [replicas.borrow()[0] for _ in range(count)]
        for link in links:
            replicas.give_back(link)
        return [link.target for link in links]

    assert turns(4) == ["a:1", "b:1", "a:1", "b:1"]
    first = replicas.borrow()[0]
    replicas.failed(first)
    assert turns(3) == ["b:1"] * 3
    now[0] = 0.6
    assert set(turns(2)) == {"a:1", "b:1"}
    replicas.failed(first)
    now[0] = 1.3
    assert turns(2) == ["b:1"] * 2
    now[0] = 1.7
    replicas.answered(first)
    assert set(turns(2)) == {"a:1", "b:1"}
    # When all rest, it is the turn of the one that has rested longest.
    replicas.failed(first)
    now[0] = 1.8
    replicas.failed(replicas._links[1])
    assert turns(1) == ["a:1"]


def test_another_replica_answers_for_one_that_is_frozen(start, shared_record: str) -> None:
    first, second = start(record=shared_record), start(record=shared_record)
    quick = RetryPolicy(deadline=30, attempt=1)

    async def use() -> None:
        async with AsyncClient(f"{first.url},{second.url}", retry=quick) as client:
            await client.sign(checkpoint(1, "org_2"))
            os.kill(first.process.pid, signal.SIGSTOP)
            try:
                following = [checkpoint(n, "org_2") for n in (2, 3)]
                outcomes = [one async for one in client.sign_many(following)]
            finally:
                os.kill(first.process.pid, signal.SIGCONT)
            assert all(one.signed for one in outcomes)

    asyncio.run(use())


def test_a_replica_without_a_key_in_force_gives_way_to_one_that_has(start) -> None:
    first, second = start("expired.json"), start()
    with Client([first.url, second.url]) as client:
        assert client.sign(checkpoint()).key_id == "key-now"


def test_more_calls_at_once_than_the_service_takes_are_all_answered(server: Server) -> None:
    """A client may have 512 calls in flight; six connections of 128 have more, and so some are refused first."""

    async def use() -> list[signer.SignedCheckpoint]:
        clients = [AsyncClient(server.url, retry=PATIENT) for _ in range(6)]
        calls = [clients[n % 6].sign(checkpoint(1, f"org_{n}")) for n in range(900)]
        signed = await asyncio.gather(*calls)
        for client in clients:
            await client.close()
        return signed

    signed = asyncio.run(use())
    assert [one.checkpoint.ledger_id for one in signed] == [f"org_{n}" for n in range(900)]
