"""One attempt of a message in this process: it comes to exactly one end."""

import math
import threading
from dataclasses import dataclass, field

from django_repid.core.message import StoredMessage

_lock = threading.Lock()


@dataclass(slots=True, eq=False)
class Attempt:
    """A claimed message on its way through this worker.

    Several may want to end it: the actor's own thread, a deadline, a shutdown. The first one does.
    `started`, `deadline`: monotonic seconds, once its actor runs. `overran`: it ran past the latter
    and is being stopped. `cancel_asked`: somebody wants it stopped.
    """

    message: StoredMessage
    started: float | None = None
    deadline: float = math.inf
    overran: bool = False
    cancel_asked: bool = False
    ended: bool = field(default=False)
    given_up: bool = field(default=False)

    def end(self, *, given_up: bool = False) -> bool:
        """Claim the right to end it; False if somebody else has.

        `given_up`: its actor runs on, and whoever runs it is to know when it comes back.
        """
        with _lock:
            if self.ended:
                return False
            self.ended = True
            self.given_up = given_up
            return True
