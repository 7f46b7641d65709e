"""Which failures are tried again, when, and until when.

By the contract the same checkpoint sent again gets the recorded signature, so that trying again is always safe, on
another replica too. What is not tried again is what waiting seconds cannot mend.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ._errors import (
    CertificateRefused,
    CheckpointSignerError,
    ClockAhead,
    ClockWentBack,
    KeyRevoked,
    NoKeyInForce,
    Overloaded,
    Unavailable,
)


@dataclass(frozen=True)
class RetryPolicy:
    """How long and how often to try. All in seconds."""

    deadline: float = 60.0
    """For a call with all its retries; for `sign_many`, for as long as there is trouble and no answer."""
    attempt: float = 15.0
    """For one attempt: longer than the service waits for its own database."""
    first_backoff: float = 0.1
    """The longest pause after the first failure; it doubles with each one."""
    max_backoff: float = 5.0
    """The longest pause ever."""

    def __post_init__(self) -> None:
        for name in ("deadline", "attempt", "first_backoff", "max_backoff"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: is {getattr(self, name)}; expected more than 0 seconds")


class Attempts:
    """The attempts of one call, or of one stream since it last went forward."""

    def __init__(
        self,
        policy: RetryPolicy,
        replicas: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float], float] = lambda most: random.uniform(0, most),  # noqa: S311
    ) -> None:
        self._policy = policy
        self._replicas = replicas
        self._clock = clock
        self._jitter = jitter
        self._since: float | None = None
        self._failures = 0

    def begin(self) -> Attempts:
        """Starts the deadline now; otherwise it starts with the first failure."""
        self._since = self._clock()
        return self

    def progressed(self) -> None:
        """Something was answered: all begins anew."""
        self._since = None
        self._failures = 0

    def timeout(self) -> float:
        """How long the next attempt may take."""
        return max(0.0, min(self._policy.attempt, self._left()))

    def after(self, failure: CheckpointSignerError, renewed: bool = False) -> float:
        """How long to wait before the next attempt, on the next replica; raises the failure when there is none.

        `renewed`: the next attempt shows another certificate than the one that failed.
        """
        if self._since is None:
            self._since = self._clock()
        self._failures += 1
        untried = self._failures < self._replicas
        outdated = renewed and isinstance(failure, CertificateRefused)
        if outdated or isinstance(failure, (Unavailable, Overloaded)):
            # The first pass over the replicas does not wait, unless the service says how long.
            most = 0.0 if untried else self._backoff()
            wait = (failure.retry_delay or 0.0) + self._jitter(most)
        elif untried and _may_differ_elsewhere(failure):
            wait = 0.0
        else:
            raise failure
        if wait >= self._left():
            raise failure
        return wait

    def _left(self) -> float:
        if self._since is None:
            return self._policy.deadline
        return self._since + self._policy.deadline - self._clock()

    def _backoff(self) -> float:
        doublings = min(self._failures - self._replicas, 30)
        return min(self._policy.max_backoff, self._policy.first_backoff * 2.0**doublings)


def _may_differ_elsewhere(failure: CheckpointSignerError) -> bool:
    """Whether another replica may sign where this one does not.

    A replica that has just started may not have read its key yet, and clocks differ by some seconds when a window
    opens. Each is asked once; then no retry helps before an operator does, and the caller should hear of it. A
    revocation is one for all replicas.
    """
    return isinstance(failure, (NoKeyInForce, ClockAhead, ClockWentBack)) and not isinstance(failure, KeyRevoked)
