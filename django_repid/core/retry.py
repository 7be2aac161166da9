"""How long to wait before a failed job is tried again."""

import logging
import random
from datetime import timedelta
from typing import Protocol

logger = logging.getLogger("django_repid.worker")

#: The longest that a job waits before a try: a century still fits every column.
LONGEST_WAIT = timedelta(days=36525)


class RetryPolicyT(Protocol):
    """A function from the number of the coming retry (1, 2, …) to the time to wait before it."""

    def __call__(self, retry_number: int = 1) -> timedelta:
        """Return how long to wait before this retry."""


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
