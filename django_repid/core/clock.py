"""Time: microseconds since the epoch inside, aware UTC datetimes outside.

Stores compare plain integers, so that no session time zone, no `USE_TZ` and no text format of a
database can shift a due time. Which clock counts is the store's decision (see `protocols`).
"""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

#: How far tests have travelled ahead, in this process. Every clock is read with it.
_ahead_us = 0
#: Whether tests travel: then nothing waits that need not, see `worker.leaps`.
_leaping = False


def ahead_us() -> int:
    """Return what is added to every clock, also to a database's: zero outside tests."""
    return _ahead_us


def travel(microseconds: int) -> None:
    """Let every clock of this process be so far ahead of the real time."""
    global _ahead_us  # noqa: PLW0603 - time is one for the whole process
    _ahead_us = microseconds


def leaping() -> bool:
    """Whether time goes on in leaps: False outside tests."""
    return _leaping


def leap(on: bool) -> None:
    """Let time go on in leaps from now on, or not any more."""
    global _leaping  # noqa: PLW0603 - as above
    _leaping = on


def now_us() -> int:
    """Return this machine's time in microseconds since the epoch."""
    return time.time_ns() // 1000 + _ahead_us


def now_ns() -> int:
    """Return this machine's time in nanoseconds since the epoch, as result buckets hold it."""
    return time.time_ns() + _ahead_us * 1000


def utc_now() -> datetime:
    """Return this machine's time as an aware datetime."""
    return datetime.now(tz=UTC) + _ahead_us * _MICROSECOND


def to_us(moment: datetime) -> int:
    """Return an aware datetime as microseconds since the epoch, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return microseconds since the epoch as an aware UTC datetime, exactly."""
    return _EPOCH + timedelta(microseconds=microseconds)


def span_us(span: timedelta) -> int:
    """Return a timedelta in whole microseconds."""
    return span // _MICROSECOND


def span(microseconds: int) -> timedelta:
    """Return microseconds as a timedelta."""
    return timedelta(microseconds=microseconds)
