"""One attempt of a message in this process: it comes to exactly one end."""

import threading
from dataclasses import dataclass, field

from django_repid.core.message import StoredMessage

_lock = threading.Lock()


@dataclass(slots=True, eq=False)
class Attempt:
    """A claimed message on its way through this worker.

    Several may want to end it: the actor's own thread, a deadline, a shutdown. The first one does.
    `started`: monotonic seconds, once its actor runs. `cancel_asked`: somebody wants it stopped.
    """

    message: StoredMessage
    started: float | None = None
    cancel_asked: bool = False
    ended: bool = field(default=False)

    def end(self) -> bool:
        """Claim the right to end it; False if somebody else has."""
        with _lock:
            if self.ended:
                return False
            self.ended = True
            return True
