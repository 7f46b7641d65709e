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
from ._errors import CheckpointSignerError, from_call, from_status
from ._keyring import Keyring
from ._proto import signing_service_pb2 as wire
from ._retry import Attempts, RetryPolicy
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
        self._retry = retry or RetryPolicy()
        self._replicas: Replicas[grpc.Channel] = Replicas(targets, tls, _make)

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

    def sign(self, checkpoint: CheckpointLike) -> SignedCheckpoint:
        """Has a checkpoint signed. The same one again gets the recorded signature, byte for byte."""
        return self._run(calls.sign(checkpoint))

    def verify(self, published: Published) -> Verdict:
        """Asks the service for a verdict on a published checkpoint. (`verify` of this package asks nobody.)"""
        return self._run(calls.verify(published))

    def list_keys(self) -> list[Key]:
        """All key versions, the latest window first."""
        return self._run(calls.list_keys())

    def keyring(self) -> Keyring:
        """The keyring for offline verification, as this service says it."""
        return self._run(calls.keyring())

    def get_signed_checkpoint(self, ledger_id: str, checkpoint_id: str) -> RecordedCheckpoint:
        """Reads a signature that was given out before; raises `CheckpointNotFound`."""
        return self._run(calls.get_signed_checkpoint(ledger_id, checkpoint_id))

    def sign_many(self, checkpoints: Iterable[CheckpointLike]) -> Iterator[Outcome]:
        """Has many signed in a stream (after half a million, in another one), and gives an outcome for each, in order.

        A stream that breaks is resumed: what has no answer is sent again. A ledger of which one is refused is held: its
        later ones get `LedgerHeld`. Raises only when nobody answers until the deadline is over; what was not given
        out then may be sent again.
        """
        run, attempts = SigningRun(), Attempts(self._retry, len(self._replicas.targets))
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
                        stream = _Stream(self._replicas)
                    if stream is not None:
                        stream.send(run.to_send())
                        patience = 0.0 if more and run.has_room else attempts.timeout()
                        answer = stream.receive(patience) if run.in_flight else None
                        if answer is not None:
                            again = run.answered(answer)
                            if again is not None:
                                time.sleep(attempts.after(again))
                            else:
                                attempts.progressed()
                except CheckpointSignerError as failure:
                    renewed = stream is not None and self._replicas.renewed(stream.link)
                    if stream is not None:
                        stream.give_up()
                        self._replicas.failed(stream.link)
                        stream = None
                    run.stream_ended()
                    time.sleep(attempts.after(failure, renewed))
                yield from run.ready()
        finally:
            if stream is not None:
                stream.end()

    def _run(self, call: Call[Q, A, T]) -> T:
        attempts = Attempts(self._retry, len(self._replicas.targets)).begin()
        method = call.method
        while True:
            with _borrowed(self._replicas) as link:
                stub = link.channel.unary_unary(
                    method.path,
                    request_serializer=method.request.SerializeToString,
                    response_deserializer=method.answer.FromString,
                )
                try:
                    answer = stub(call.request, timeout=attempts.timeout())
                    return call.read(answer)
                except grpc.RpcError as error:
                    failure = from_call(error)
            self._replicas.failed(link)
            time.sleep(attempts.after(failure, self._replicas.renewed(link)))


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

    def __init__(self, replicas: Replicas[grpc.Channel]) -> None:
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
        self._call = stub(iter(self._requests.get, None))
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
