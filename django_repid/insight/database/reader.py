"""The reader of a connection whose messages are in a database."""

from django_repid.insight.database.causes import DatabaseCauses
from django_repid.insight.database.queues import DatabaseQueues
from django_repid.insight.database.schedules import DatabaseSchedules
from django_repid.insight.database.workers import DatabaseWorkers


class DatabaseReader(DatabaseWorkers, DatabaseQueues, DatabaseCauses, DatabaseSchedules):
    """All of them together."""
