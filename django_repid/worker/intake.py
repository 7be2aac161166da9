"""What becomes of messages that have just been claimed: most start, some are at their end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django_repid.core.bucket import ArgsBucket
from django_repid.core.message import StoredMessage
from django_repid.core.outcome import Bench
from django_repid.core.settlement import Settlement
from django_repid.core.verdict import examine, hand_back
from django_repid.worker.attempt import Attempt
from django_repid.worker.suspects import Place, Suspects


@dataclass(slots=True)
class Intake:
    """The attempts of one claim: what `start`s in the worker, what is to be run alone, and ends."""

    start: list[Attempt] = field(default_factory=list)
    isolate: list[Attempt] = field(default_factory=list)
    ends: list[Settlement] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        messages: Sequence[StoredMessage],
        buckets: Mapping[str, ArgsBucket],
        bench: Bench,
        args_wait_us: int,
        suspects: Suspects,
    ) -> "Intake":
        """Look at each message, with the buckets that were found for them."""
        found = cls()
        for message in messages:
            ready = examine(message, buckets, bench, args_wait_us)
            if isinstance(ready, Settlement):
                found.ends.append(ready)
            elif ready.suspicion:
                found._take_suspect(ready, bench, suspects)
            else:
                found.start.append(Attempt(ready))
        return found

    def _take_suspect(self, message: StoredMessage, bench: Bench, suspects: Suspects) -> None:
        place = suspects.admit(message)
        if place is Place.LATER:
            self.ends.append(hand_back(message, run_at=bench.now + suspects.pause_us()))
        else:
            attempt = Attempt(message)
            (self.isolate if place is Place.CELL else self.start).append(attempt)
