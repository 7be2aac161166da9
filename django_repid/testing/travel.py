"""A clock to travel with: what is due later, or expires, is so at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django_repid.core import clock


class Clock:
    """The clock of this process, as a test moves it: made by `travel`.

    Every store is read with it, whatever its own clock says: due times and back-off, occurrences of
    recurring jobs, ttl of jobs and of buckets, retention. Workers in other processes keep theirs.
    """

    @property
    def now(self) -> datetime:
        """What time it is taken to be; aware."""
        return clock.utc_now()

    def move(self, span: timedelta) -> None:
        """Go on by this span.

        Raises:
            ValueError: it is negative: leases and due times that were given out would be wrong.

        """
        if span < timedelta(0):
            message = f"Time goes on only: {span!r} is negative."
            raise ValueError(message)
        clock.travel(clock.ahead_us() + clock.span_us(span))

    def move_to(self, moment: datetime) -> None:
        """Go on to this moment, which must be aware and not be over.

        Raises:
            ValueError: it is naive, or over.

        """
        if moment.tzinfo is None:
            message = f"The moment must be aware: {moment!r} has no time zone."
            raise ValueError(message)
        self.move(moment - self.now)


@contextmanager
def travel(span: timedelta = timedelta(0)) -> Iterator[Clock]:
    """Let time go on in leaps inside the block; afterwards it is what it was.

    A leap by `span` comes first. What `run_jobs` runs does not wait either: where an async actor
    only sleeps (or waits for its time-out), the clock goes on by that, at once. Calls in threads
    and sockets take their own time; a thread that the actor starts itself is not known of. What a
    sync actor sleeps is real, and what runs while the clock is moved has taken that long. The
    time-outs of a worker of its own go by the machine's clock.
    """
    before, leaped = clock.ahead_us(), clock.leaping()
    made = Clock()
    try:
        clock.leap(True)
        made.move(span)
        yield made
    finally:
        clock.travel(before)
        clock.leap(leaped)
