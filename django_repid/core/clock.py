"""Time: microseconds since the epoch inside, aware UTC datetimes outside.

Stores compare plain integers, so that no session time zone, no `USE_TZ` and no text format of a
database can shift a due time. Which clock counts is the store's decision (see `protocols`).
"""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now_us() -> int:
    """Return this machine's time in microseconds since the epoch."""
    return time.time_ns() // 1000


def now_ns() -> int:
    """Return this machine's time in nanoseconds since the epoch, as result buckets hold it."""
    return time.time_ns()


def utc_now() -> datetime:
    """Return this machine's time as an aware datetime."""
    return datetime.now(tz=UTC)


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
