"""The synchronous client. Threads may share one."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

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


def _make(target: str, credentials: grpc.ChannelCredentials | None, options: Sequence[Option]) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, credentials, options=options)


class Client:
    """A connection to the service, to one replica or to several (`servers`: URLs or HOST:PORT).

    Every call is tried again, on the next replica, until `retry.deadline` is over; then, and for what no retry can
    mend, it raises a `CheckpointSignerError`.
    """

    def __init__(
        self, servers: str | Sequence[str], *, tls: Tls | None = None, retry: RetryPolicy | None = None
    ) -> None:
        targets, tls = read_targets(servers, tls)
        self._retry = read_policy(retry)
        self._replicas: Replicas[grpc.Channel] = Replicas(targets, tls, _make)

    def __repr__(self) -> str:
        return f"Client({', '.join(self._replicas.targets)})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; calls that go on end."""
        for channel in self._replicas.close():
            channel.close()

    def sign(
        self, checkpoint: CheckpointLike, *, request_id: str | None = None, omit_content: bool = False
    ) -> SignedCheckpoint:
        """Has a checkpoint signed. The same one again gets the recorded signature, byte for byte.

        `request_id` names the call in the service's logs (every method takes one; without it, one is made).
        `omit_content`: the answer has the signature alone, and the rest of it is put together here.
        """
        return self._run(calls.sign(checkpoint, omit_content), request_id)

    def verify(self, published: Published, *, request_id: str | None = None) -> Verdict:
        """Asks the service for a verdict on a published checkpoint. (`verify` of this package asks nobody.)"""
        return self._run(calls.verify(published), request_id)

    def list_keys(self, *, request_id: str | None = None) -> list[Key]:
        """All key versions, the latest window first."""
        return self._run(calls.list_keys(), request_id)

    def keyring(self, *, request_id: str | None = None) -> Keyring:
        """The keyring for offline verification, as this service says it."""
        return self._run(calls.keyring(), request_id)

    def get_signed_checkpoint(
        self, ledger_id: str, checkpoint_id: str, *, request_id: str | None = None
    ) -> RecordedCheckpoint:
        """Reads a signature that was given out before; raises `CheckpointNotFound`."""
        return self._run(calls.get_signed_checkpoint(ledger_id, checkpoint_id), request_id)

    def sign_many(
        self, checkpoints: Iterable[CheckpointLike], *, request_id: str | None = None, omit_content: bool = False
    ) -> Iterator[Outcome]:
        """Has many signed in a stream (after half a million, in another one), and gives an outcome for each, in order.

        A stream that breaks is resumed: what has no answer is sent again. A ledger of which one is refused is held: its
        later ones get `LedgerHeld`. Raises only when nobody answers until the deadline is over; what was not given
        out then may be sent again. In the service's logs each has the name `request_id`, a dash and its number from 1.
        """
        calls.check_many(checkpoints)
        name = name_of_call(request_id, MAX_STREAM_ID)
        return self._sign_many(checkpoints, name, omit_content)

    def _sign_many(self, checkpoints: Iterable[CheckpointLike], name: str, omit_content: bool) -> Iterator[Outcome]:
        run, course = SigningRun(name, omit_content), Course(self._replicas, self._retry, calls.SIGN_MANY.path, name)
        source, more = iter(checkpoints), True
        stream: _Stream | None = None
        try:
            while more or not run.is_empty:
                if more and run.has_room:
                    try:
                        run.take(next(source))
                    except StopIteration:
                        more = False
                try:
                    if stream is not None and run.wants_new_stream:
                        stream.end()
                        stream = None
                        run.stream_ended()
                    if stream is None and run.waiting:
                        stream = _Stream(self._replicas, course.metadata)
                    if stream is not None:
                        stream.send(run.to_send())
                        patience = 0.0 if more and run.has_room else course.timeout()
                        answer = stream.receive(patience) if run.in_flight else None
                        if answer is not None:
                            again = run.answered(answer)
                            if again is not None:
                                time.sleep(course.failed(again, None))
                            elif stream is not None:
                                course.answered(stream.link)
                except CheckpointSignerError as failure:
                    link = None if stream is None else stream.link
                    renewed = link is not None and self._replicas.renewed(link)
                    if stream is not None:
                        stream.give_up()
                        stream = None
                    run.stream_ended()
                    time.sleep(course.failed(failure, link, renewed=renewed))
                yield from run.ready()
        finally:
            if stream is not None:
                stream.end()

    def _run(self, call: Call[Q, A, T], request_id: str | None) -> T:
        method = call.method
        course = Course(self._replicas, self._retry, method.path, name_of_call(request_id)).begin()
        while True:
            with _borrowed(self._replicas) as link:
                stub = link.channel.unary_unary(
                    method.path,
                    request_serializer=method.request.SerializeToString,
                    response_deserializer=method.answer.FromString,
                )
                try:
                    answer = stub(call.request, timeout=course.timeout(), metadata=course.metadata)
                    course.answered(link)
                    return course.read(call.read, answer)
                except grpc.RpcError as error:
                    failure = from_call(error)
            time.sleep(course.failed(failure, link, renewed=self._replicas.renewed(link)))


@contextlib.contextmanager
def _borrowed(replicas: Replicas[grpc.Channel]) -> Iterator[Link[grpc.Channel]]:
    link = _borrow(replicas)
    try:
        yield link
    finally:
        _give_back(replicas, link)


def _borrow(replicas: Replicas[grpc.Channel]) -> Link[grpc.Channel]:
    link, unused = replicas.borrow()
    if unused is not None:
        unused.close()
    return link


def _give_back(replicas: Replicas[grpc.Channel], link: Link[grpc.Channel]) -> None:
    unused = replicas.give_back(link)
    if unused is not None:
        unused.close()


class _Stream:
    """One stream of signing. A thread waits for its answers, so that a silence can be noticed."""

    def __init__(self, replicas: Replicas[grpc.Channel], metadata: Metadata) -> None:
        self._replicas = replicas
        self.link = _borrow(replicas)
        self._requests: queue.SimpleQueue[wire.SignCheckpointsRequest | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[wire.SignCheckpointsResponse | CheckpointSignerError] = queue.SimpleQueue()
        method = calls.SIGN_MANY
        stub = self.link.channel.stream_stream(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.answer.FromString,
        )
        self._call = stub(iter(self._requests.get, None), metadata=metadata)
        self._reader = threading.Thread(target=self._read, name="sign_many", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            for answer in self._call:
                self._events.put(answer)
            self._events.put(from_status(grpc.StatusCode.UNAVAILABLE, "the stream ended", ()))
        except grpc.RpcError as error:
            self._events.put(from_call(error))

    def send(self, requests: list[wire.SignCheckpointsRequest]) -> None:
        """Sends them in this order."""
        for request in requests:
            self._requests.put(request)

    def receive(self, patience: float) -> wire.SignCheckpointsResponse | None:
        """The next answer; none when there is not one yet and `patience` is 0. Raises why the stream broke."""
        try:
            event = self._events.get(timeout=patience) if patience > 0 else self._events.get_nowait()
        except queue.Empty:
            if patience == 0:
                return None
            message = f"no answer for {patience:.1f} seconds"
            raise from_status(grpc.StatusCode.DEADLINE_EXCEEDED, message, ()) from None
        if isinstance(event, CheckpointSignerError):
            raise event
        return event

    def give_up(self) -> None:
        """Ends it at once."""
        self._requests.put(None)
        self._call.cancel()
        _give_back(self._replicas, self.link)

    def end(self) -> None:
        """Ends it in order if nothing is in flight, which takes a moment only."""
        self._requests.put(None)
        self._reader.join(timeout=1.0)
        self.give_up()
