"""How long to wait before a failed job is tried again."""

import inspect
import logging
import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from django_repid.core.errors import ConfigurationError

logger = logging.getLogger("django_repid.worker")

#: The longest that a job waits before a try: a century still fits every column.
LONGEST_WAIT = timedelta(days=36525)


class RetryPolicyT(Protocol):
    """A function from the number of the coming retry (1, 2, …) to the time to wait before it."""

    def __call__(self, retry_number: int = 1) -> timedelta:
        """Return how long to wait before this retry."""


class RetryAfter(Exception):
    """Raised by an actor: try again then, whatever its retry policy and `retry_on` say.

    `delay` is in seconds, or a timedelta, or an aware datetime; what has passed means at once. The
    attempt counts as a try. If it was the last one, the job fails for good with this exception.

    Raises:
        TypeError: `delay` is something else.
        ValueError: it is a naive datetime, no number, or more than a century.

    """

    def __init__(self, delay: float | timedelta | datetime, *, message: str = "") -> None:
        self.delay = _checked_delay(delay)
        when = "at" if isinstance(self.delay, datetime) else "in"
        super().__init__(message or f"The actor asked for another try {when} {self.delay}.")


def default_retry_policy_factory(
    min_backoff: float = 10,
    max_backoff: float = 86400,
    multiplier: float = 5,
    max_exponent: int = 15,
    jitter: float = 0.1,
) -> RetryPolicyT:
    """Make an exponential back-off, in seconds.

    Before retry n the job waits `min(max_backoff, max(min_backoff, multiplier × 2^n))`, n capped
    at `max_exponent`, plus a random share of up to `jitter` of that, so that jobs that failed
    together do not come back together.
    """

    def exponential(retry_number: int = 1) -> timedelta:
        seconds = multiplier * 2 ** min(retry_number, max_exponent)
        seconds = min(max_backoff, max(min_backoff, seconds))
        return timedelta(seconds=seconds * (1 + random.random() * jitter))  # noqa: S311 - no secret

    return exponential


def backoff(policy: RetryPolicyT, number: int) -> timedelta:
    """Return how long a job waits before a retry; the default if the policy has no answer."""
    try:
        # A bad value is as bad as an error.
        return min(max(policy(number), timedelta(0)), LONGEST_WAIT)
    except Exception:
        logger.exception("The retry policy raised; the default one is used instead.")
        return default_retry_policy_factory()(number)


def checked_policy(policy: Any) -> RetryPolicyT:
    """Return a retry policy that can be called with the number of the retry, in either way.

    Raises:
        ConfigurationError: it cannot be called so, or is a coroutine function.

    """
    call = policy if inspect.isroutine(policy) else getattr(policy, "__call__", None)  # noqa: B004 - the method itself is looked at
    if isinstance(policy, type) or not callable(policy) or inspect.iscoroutinefunction(call):
        message = (
            "retry_policy must be a function (no coroutine function) from the number of the retry "
            f"to a timedelta, not {policy!r}."
        )
        raise ConfigurationError(message)
    try:
        signature = inspect.signature(policy)
    except ValueError:  # one of C, which does not say
        return _typed(policy)
    if _takes(signature, 1):
        return _typed(policy)
    if _takes(signature, retry_number=1):
        return _by_keyword(policy)
    message = (
        f"retry_policy {policy!r} must take the number of the retry, as (retry_number=1); it takes "
        f"{signature}."
    )
    raise ConfigurationError(message)


def _typed(policy: Any) -> RetryPolicyT:
    found: RetryPolicyT = policy
    return found


def _takes(signature: inspect.Signature, *args: int, **kwargs: int) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _by_keyword(policy: Callable[..., timedelta]) -> RetryPolicyT:
    def call(retry_number: int = 1) -> timedelta:
        return policy(retry_number=retry_number)

    return call


def _checked_delay(delay: Any) -> timedelta | datetime:
    if isinstance(delay, datetime):
        if delay.utcoffset() is None:
            message = f"RetryAfter takes an aware datetime; {delay!r} is naive."
            raise ValueError(message)
        return delay
    if isinstance(delay, timedelta):
        wait = delay
    elif isinstance(delay, int | float) and not isinstance(delay, bool):
        if not math.isfinite(delay) or delay > LONGEST_WAIT.total_seconds():
            message = f"RetryAfter takes seconds, up to a century; not {delay!r}."
            raise ValueError(message)
        wait = timedelta(seconds=max(delay, 0))
    else:
        message = f"RetryAfter takes seconds, a timedelta or an aware datetime, not {delay!r}."
        raise TypeError(message)
    if wait > LONGEST_WAIT:
        message = f"RetryAfter takes up to a century, not {delay!r}."
        raise ValueError(message)
    return max(wait, timedelta(0))
