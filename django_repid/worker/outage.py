"""How a broker thread waits for a store that cannot be reached."""

import logging
import random
import time

logger = logging.getLogger("django_repid.worker")

#: The pauses between two looks: the first one, and the longest, to be at work again soon.
_FIRST_SECONDS, _LONGEST_SECONDS = 0.1, 2.0


class Outage:
    """Whether there is one, and since when the store was last reached."""

    def __init__(self) -> None:
        self._pause = 0.0
        self._reached_at = time.monotonic()

    @property
    def is_on(self) -> bool:
        """Whether the last look at the store failed."""
        return self._pause > 0

    @property
    def silent_for(self) -> float:
        """Seconds since the store was last reached."""
        return time.monotonic() - self._reached_at

    def over(self) -> None:
        """Take note that the store was reached."""
        self._pause = 0.0
        self._reached_at = time.monotonic()

    def pause(self, error: Exception) -> float:
        """Say once that the store cannot be reached; return the seconds until the next look."""
        if not self._pause:
            logger.warning("The store cannot be reached; the worker waits for it: %s", error)
        self._pause = min(max(self._pause * 2, _FIRST_SECONDS), _LONGEST_SECONDS)
        return self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
