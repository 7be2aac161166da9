"""The reader of a connection whose messages are in a database."""

from django_repid.insight.database.buckets import DatabaseBuckets
from django_repid.insight.database.causes import DatabaseCauses
from django_repid.insight.database.job import DatabaseJob
from django_repid.insight.database.queues import DatabaseQueues
from django_repid.insight.database.schedules import DatabaseSchedules


class DatabaseReader(
    DatabaseJob, DatabaseBuckets, DatabaseQueues, DatabaseCauses, DatabaseSchedules
):
    """All of them together."""
