"""What all parts of a database's reader have: the broker whose rows they read."""

from django_repid.brokers.database import DatabaseMessageBroker
from django_repid.insight import access


class Access(access.Access):
    """Reads where the broker writes: a replica may lag behind."""

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
