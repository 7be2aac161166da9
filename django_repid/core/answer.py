"""What an actor itself says is to become of its message."""

from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What it says, in Repid's words."""

    ACK = "ack"
    NACK = "nack"
    REJECT = "reject"
    RETRY = "retry"
    FORCE_RETRY = "force_retry"
    RESCHEDULE = "reschedule"


#: Answers of an actor that has done what it was to do: what an atomic one has written stays.
_DONE = frozenset({Verb.ACK, Verb.RESCHEDULE})


@dataclass(frozen=True, slots=True)
class Answer:
    """An eager response. `wait`: microseconds before the next try; None: by the retry policy.

    `gave`: whether the actor has said what is to be stored as its result.
    """

    verb: Verb
    wait: int | None = None
    gave: bool = False

    @property
    def done(self) -> bool:
        """Whether the actor has done what it was to do."""
        return self.verb in _DONE


class Answered(BaseException):
    """Leaves an actor that has answered. No `except Exception` of the actor's stops it."""
