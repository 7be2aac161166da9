"""What all parts of a database's reader have: the broker whose rows they read."""

import time

from django_repid.brokers.database import DatabaseMessageBroker
from django_repid.core.connection import Connection


class Access:
    """Reads where the broker writes: a replica may lag behind."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._asked: tuple[int, float] | None = None

    @property
    def alias(self) -> str:
        """The alias of REPID."""
        return self.connection.alias

    @property
    def broker(self) -> DatabaseMessageBroker:
        """The broker whose rows these are."""
        broker = self.connection.message_broker
        assert isinstance(broker, DatabaseMessageBroker)  # noqa: S101 - `reader_of` has asked
        return broker

    @property
    def database(self) -> str:
        """The alias of DATABASES."""
        return self.broker.alias

    @property
    def store(self) -> str:
        """Name the store: equal for two connections to one database."""
        return f"database {self.database}"

    def now_us(self) -> int:
        """Return the database's time; it is asked once, and goes on by this machine's clock."""
        if self._asked is None:
            self._asked = (self.broker.now_us(), time.monotonic())
        then, at = self._asked
        return then + round((time.monotonic() - at) * 1_000_000)
