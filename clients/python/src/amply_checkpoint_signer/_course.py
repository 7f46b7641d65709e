"""The course of one call or one stream: its name, its attempts, what is logged. Both clients go by it; what differs
between them is how they wait.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from ._errors import CheckpointSignerError
from ._kinds import check_text
from ._log import LOG
from ._retry import Attempts, RetryPolicy
from ._transport import Link, Replicas

MAX_REQUEST_ID = 128
"""Longest name of a call, in characters: what the service takes."""

MAX_STREAM_ID = 100
"""Longest name of a stream: each of its items adds a dash and its number."""

A = TypeVar("A")
T = TypeVar("T")
Metadata = tuple[tuple[str, str], ...]

_HEADER = "x-request-id"
_FIRST_VISIBLE, _LAST_VISIBLE = "!", "~"


def name_of_call(given: str | None, longest: int = MAX_REQUEST_ID) -> str:
    """The caller's name for a call, or a new one; raises TypeError or ValueError."""
    if given is None:
        return uuid.uuid4().hex
    check_text("request_id", given)
    if not 1 <= len(given) <= longest or not all(_FIRST_VISIBLE <= one <= _LAST_VISIBLE for one in given):
        expected = f"expected 1 to {longest} visible characters of ASCII, without spaces"
        raise ValueError(f"request_id: has {len(given)} characters, or such as no header has; {expected}")
    return given


class Course:
    """What one call or stream has behind it."""

    def __init__(self, replicas: Replicas[Any], policy: RetryPolicy, method: str, request_id: str) -> None:
        self._replicas = replicas
        self._attempts = Attempts(policy, replicas.targets, is_heard=lambda: replicas.heard)
        self._method = method.rpartition("/")[2]
        self._failures = 0
        self.request_id = request_id

    def begin(self) -> Course:
        """Starts the deadline now; otherwise it starts with the first failure."""
        self._attempts.begin()
        return self

    @property
    def metadata(self) -> Metadata:
        """What is sent beside the request."""
        return ((_HEADER, self.request_id),)

    def timeout(self) -> float:
        """How long the next attempt may take."""
        return self._attempts.timeout()

    def answered(self, link: Link[Any]) -> None:
        """There is an answer: what comes next has the whole deadline again."""
        self._replicas.answered(link)
        level = logging.INFO if self._failures else logging.DEBUG
        if LOG.isEnabledFor(level):
            told = (self._method, self.request_id, link.target, self._failures + 1)
            LOG.log(level, "%s %s: answered by %s at attempt %d", *told, extra=self._about(link))
        self._failures = 0
        self._attempts.progressed()

    def read(self, read: Callable[[A], T], answer: A) -> T:
        """What an answer says; when that is a fault, it has the name of the call."""
        try:
            return read(answer)
        except CheckpointSignerError as error:
            error.request_id = self.request_id
            raise

    def failed(self, failure: CheckpointSignerError, link: Link[Any] | None, *, renewed: bool = False) -> float:
        """How long to wait before the next attempt; raises the failure when there is none.

        Without a link, it is one item that is refused for now, and the stream goes on.
        """
        failure.request_id = failure.request_id or self.request_id
        self._failures += 1
        if link is not None and failure.of_service:
            self._replicas.heard = True
        about = {**self._about(link), "reason": failure.reason}
        try:
            wait = self._attempts.after(failure, renewed)
        except CheckpointSignerError:
            LOG.debug("%s %s: ended by %s", self._method, self.request_id, failure.reason, extra=about)
            raise
        if link is not None:
            self._replicas.failed(link)
        told = (self._method, self.request_id, failure.reason, "of an item" if link is None else f"by {link.target}")
        LOG.warning("%s %s: %s %s at attempt %d; again in %.1f s", *told, self._failures, wait, extra=about)
        return wait

    def _about(self, link: Link[Any] | None) -> dict[str, str]:
        return {"request_id": self.request_id, "replica": "" if link is None else link.target}
