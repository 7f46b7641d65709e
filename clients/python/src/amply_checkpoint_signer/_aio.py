"""The client for asyncio; the same as the synchronous one, awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any

import grpc

from . import _calls as calls
from ._calls import A, Call, Key, Q, RecordedCheckpoint, T
from ._checkpoint import CheckpointLike, SignedCheckpoint
from ._course import MAX_STREAM_ID, Course, Metadata, name_of_call
from ._errors import CheckpointSignerError, from_call, from_status
from ._keyring import Keyring
from ._proto import signing_service_pb2 as wire
from ._retry import RetryPolicy, read_policy
from ._stream import Outcome, SigningRun
from ._transport import Link, Option, Replicas, Tls, read_targets
from ._verify import Published, Verdict


def _make(target: str, credentials: grpc.ChannelCredentials | None, options: Sequence[Option]) -> grpc.aio.Channel:
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


class AsyncClient:
    """As `Client`, for asyncio. It belongs to the event loop in which it is first used."""

    def __init__(
        self, servers: str | Sequence[str], *, tls: Tls | None = None, retry: RetryPolicy | None = None
    ) -> None:
        targets, tls = read_targets(servers, tls)
        self._retry = read_policy(retry)
        self._replicas: Replicas[grpc.aio.Channel] = Replicas(targets, tls, _make)

    def __repr__(self) -> str:
        return f"AsyncClient({', '.join(self._replicas.targets)})"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; calls that go on end."""
        for channel in self._replicas.close():
            await channel.close()

    async def sign(
        self, checkpoint: CheckpointLike, *, request_id: str | None = None, omit_content: bool = False
    ) -> SignedCheckpoint:
        """Has a checkpoint signed. The same one again gets the recorded signature, byte for byte."""
        return await self._run(calls.sign(checkpoint, omit_content), request_id)

    async def verify(self, published: Published, *, request_id: str | None = None) -> Verdict:
        """Asks the service for a verdict on a published checkpoint. (`verify` of this package asks nobody.)"""
        return await self._run(calls.verify(published), request_id)

    async def list_keys(self, *, request_id: str | None = None) -> list[Key]:
        """All key versions, the latest window first."""
        return await self._run(calls.list_keys(), request_id)

    async def keyring(self, *, request_id: str | None = None) -> Keyring:
        """The keyring for offline verification, as this service says it."""
        return await self._run(calls.keyring(), request_id)

    async def get_signed_checkpoint(
        self, ledger_id: str, checkpoint_id: str, *, request_id: str | None = None
    ) -> RecordedCheckpoint:
        """Reads a signature that was given out before; raises `CheckpointNotFound`."""
        return await self._run(calls.get_signed_checkpoint(ledger_id, checkpoint_id), request_id)

    def sign_many(
        self,
        checkpoints: Iterable[CheckpointLike] | AsyncIterable[CheckpointLike],
        *,
        request_id: str | None = None,
        omit_content: bool = False,
    ) -> AsyncIterator[Outcome]:
        """As `Client.sign_many`; answers are given out while the source waits for its next checkpoint."""
        calls.check_many(checkpoints, asynchronous=True)
        name = name_of_call(request_id, MAX_STREAM_ID)
        return self._sign_many(checkpoints, name, omit_content)

    async def _sign_many(
        self, checkpoints: Iterable[CheckpointLike] | AsyncIterable[CheckpointLike], name: str, omit_content: bool
    ) -> AsyncGenerator[Outcome, None]:
        run, course = SigningRun(name, omit_content), Course(self._replicas, self._retry, calls.SIGN_MANY.path, name)
        source, more = _each(checkpoints), True
        pull: asyncio.Task[CheckpointLike | None] | None = None
        stream: _Stream | None = None
        try:
            while more or not run.is_empty:
                if more and run.has_room and pull is None:
                    pull = asyncio.ensure_future(anext(source, None))
                try:
                    if stream is not None and run.wants_new_stream:
                        await self._give_up(stream)
                        stream = None
                        run.stream_ended()
                    if stream is None and run.waiting:
                        stream = await self._open(course.metadata)
                    answer = None
                    if stream is not None:
                        await stream.send(run.to_send(), course.timeout())
                        answer = await stream.receive(pull, course.timeout(), run.in_flight)
                    elif pull is not None:
                        await asyncio.wait({pull})
                    if answer is not None:
                        again = run.answered(answer)
                        if again is not None:
                            await asyncio.sleep(course.failed(again, None))
                        elif stream is not None:
                            course.answered(stream.link)
                except CheckpointSignerError as failure:
                    link = None if stream is None else stream.link
                    renewed = link is not None and self._replicas.renewed(link)
                    if stream is not None:
                        await self._give_up(stream)
                        stream = None
                    run.stream_ended()
                    await asyncio.sleep(course.failed(failure, link, renewed=renewed))
                if pull is not None and pull.done():
                    taken, pull = pull.result(), None
                    if taken is None:
                        more = False
                    else:
                        run.take(taken)
                for outcome in run.ready():
                    yield outcome
        finally:
            if pull is not None:
                pull.cancel()
            if stream is not None:
                await self._give_up(stream)

    async def _open(self, metadata: Metadata) -> _Stream:
        return _Stream(await self._borrow(), metadata)

    async def _give_up(self, stream: _Stream) -> None:
        stream.cancel()
        await self._give_back(stream.link)

    async def _borrow(self) -> Link[grpc.aio.Channel]:
        link, unused = self._replicas.borrow()
        if unused is not None:
            await unused.close()
        return link

    async def _give_back(self, link: Link[grpc.aio.Channel]) -> None:
        unused = self._replicas.give_back(link)
        if unused is not None:
            await unused.close()

    async def _run(self, call: Call[Q, A, T], request_id: str | None) -> T:
        method = call.method
        course = Course(self._replicas, self._retry, method.path, name_of_call(request_id)).begin()
        while True:
            link = await self._borrow()
            stub = link.channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.answer.FromString,
            )
            try:
                answer = await stub(call.request, timeout=course.timeout(), metadata=course.metadata)
                course.answered(link)
                return course.read(call.read, answer)
            except grpc.RpcError as error:
                failure = from_call(error)
            finally:
                await self._give_back(link)
            await asyncio.sleep(course.failed(failure, link, renewed=self._replicas.renewed(link)))


async def _each(checkpoints: Iterable[CheckpointLike] | AsyncIterable[CheckpointLike]) -> AsyncIterator[CheckpointLike]:
    if isinstance(checkpoints, AsyncIterable):
        async for checkpoint in checkpoints:
            yield checkpoint
    else:
        for checkpoint in checkpoints:
            yield checkpoint


class _Stream:
    """One stream of signing."""

    def __init__(self, link: Link[grpc.aio.Channel], metadata: Metadata) -> None:
        self.link = link
        method = calls.SIGN_MANY
        stub = link.channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        self._call: Any = stub(metadata=metadata)
        self._reading: asyncio.Task[Any] | None = None

    async def send(self, requests: list[wire.SignCheckpointsRequest], patience: float) -> None:
        """Sends them in this order; raises why the stream broke."""
        for request in requests:
            try:
                await asyncio.wait_for(self._call.write(request), patience)
            except grpc.RpcError as error:
                raise from_call(error) from error
            except (asyncio.InvalidStateError, asyncio.TimeoutError) as error:
                raise from_status(grpc.StatusCode.UNAVAILABLE, f"the stream broke: {error}", ()) from error

    async def receive(
        self, pull: asyncio.Task[Any] | None, patience: float, expected: bool
    ) -> wire.SignCheckpointsResponse | None:
        """The next answer; none when `pull` ended before it. Raises why the stream broke."""
        waits: set[asyncio.Task[Any]] = set() if pull is None else {pull}
        if expected:
            if self._reading is None:
                self._reading = asyncio.ensure_future(self._call.read())
            waits.add(self._reading)
        if not waits:
            return None
        done, _ = await asyncio.wait(waits, timeout=patience if expected else None, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, f"no answer for {patience:.1f} seconds", ())
        if self._reading not in done or self._reading is None:
            return None
        reading, self._reading = self._reading, None
        try:
            answer = reading.result()
        except grpc.RpcError as error:
            raise from_call(error) from error
        if answer is grpc.aio.EOF:
            raise from_status(grpc.StatusCode.UNAVAILABLE, "the stream ended", ())
        assert isinstance(answer, wire.SignCheckpointsResponse)  # noqa: S101
        return answer

    def cancel(self) -> None:
        """Ends it at once."""
        if self._reading is not None:
            self._reading.cancel()
        with contextlib.suppress(asyncio.InvalidStateError):
            self._call.cancel()
