"""What the readers of all stores have in common."""

import time

from django_repid.core.connection import Connection


class Access:
    """A connection that is looked at, and the time there."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._asked: tuple[int, float] | None = None

    @property
    def alias(self) -> str:
        """The alias of REPID."""
        return self.connection.alias

    def now_us(self) -> int:
        """Return the store's time; it is asked once, and goes on by this machine's clock."""
        if self._asked is None:
            self._asked = (self.connection.message_broker.now_us(), time.monotonic())
        then, at = self._asked
        return then + round((time.monotonic() - at) * 1_000_000)
