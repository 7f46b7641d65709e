"""Which failures are tried again, when, and until when.

By the contract the same checkpoint sent again gets the recorded signature, so that trying again is always safe, on
another replica too. What is not tried again is what waiting seconds cannot mend.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
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
from ._kinds import wrong_kind

# What gRPC says of a connection that cannot be made.
_UNREACHED = "UNAVAILABLE"


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
    first_answer: float = 10.0
    """How long to go on while no replica was ever reached: a wrong address shows after seconds. A replica that answered
    once, to whatever call of this client, has the whole `deadline` to come back."""

    def __post_init__(self) -> None:
        for name in ("deadline", "attempt", "first_backoff", "max_backoff", "first_answer"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise wrong_kind(name, value, "a number of seconds")
            if not value > 0:
                raise ValueError(f"{name}: is {value}; expected more than 0 seconds")


class Attempts:
    """The attempts of one call, or of one stream since it last went forward."""

    def __init__(
        self,
        policy: RetryPolicy,
        targets: Sequence[str],
        *,
        is_heard: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float], float] = lambda most: random.uniform(0, most),  # noqa: S311
    ) -> None:
        self._policy = policy
        self._targets = targets
        self._replicas = len(targets)
        self._is_heard = is_heard
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
        name, seconds = self._limit(failure)
        passed = self._clock() - self._since
        if wait >= seconds - passed:
            raise failure.at_the_end(self._ended(name, seconds, passed))
        return wait

    def _limit(self, failure: CheckpointSignerError) -> tuple[str, float]:
        """Which setting ends the attempts, and after how many seconds."""
        first, whole = self._policy.first_answer, self._policy.deadline
        unreached = failure.reason == _UNREACHED and not self._is_heard()
        return ("first_answer", first) if unreached and first < whole else ("deadline", whole)

    def _ended(self, name: str, seconds: float, passed: float) -> str:
        where = ", ".join(self._targets)
        tried = f"{self._failures} {'attempt' if self._failures == 1 else 'attempts'} at {where}"
        problem = "nobody was reached" if name == "first_answer" else "no attempt succeeded"
        # The next attempt would come too late, so that less may have passed than was allowed.
        within = f"in {passed:.1f} of {seconds:g} s"
        return f"{name}: {problem} {within}, by {tried} (RetryPolicy({name}=...) sets how long to try)"

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


def read_policy(given: RetryPolicy | None) -> RetryPolicy:
    """The policy of a client; raises TypeError."""
    if given is not None and not isinstance(given, RetryPolicy):
        raise wrong_kind("retry", given, "a RetryPolicy, such as RetryPolicy(deadline=5)")
    return given or RetryPolicy()
