"""Buckets in a table."""

from collections.abc import Iterable, Mapping, Sequence

from django.db import connections

from django_repid.brokers.database import rows
from django_repid.brokers.database.access import alias_for, guarded, transaction_on
from django_repid.brokers.database.vendors import statements_for
from django_repid.core.bucket import ArgsBucket, BucketRecord
from django_repid.core.protocols import BucketBroker
from django_repid.models import Bucket

_READ_COLUMNS = (
    "bucket_id", "kind", "data", "stored_at", "expires_at", "started_ns", "finished_ns",
    "success", "exception",
)  # fmt: skip


class DatabaseBucketBroker:
    """Buckets in the table of one database alias; arguments and results share it.

    `database`: an alias of DATABASES; None: where the router writes `Bucket`.
    """

    blocking = True

    def __init__(self, database: str | None = None, *, use_result_bucket: bool = False) -> None:
        self._database = database
        self.use_result_bucket = use_result_bucket

    @property
    def alias(self) -> str:
        """The database alias that its rows are written to."""
        return alias_for(self._database, Bucket)

    @guarded
    def store(self, records: Sequence[BucketRecord]) -> None:
        """See `BucketBroker.store`."""
        if not records:
            return
        connection = connections[self.alias]
        statements = statements_for(connection)
        now = statements.read_now(connection)
        with transaction_on(self.alias):
            statements.store_buckets(connection, bucket_values(records, now))

    @guarded
    def get(self, ids: Iterable[str]) -> Mapping[str, ArgsBucket]:
        """See `BucketBroker.get`."""
        wanted = list(ids)
        if not wanted:
            return {}
        connection = connections[self.alias]
        now = statements_for(connection).read_now(connection)
        found = Bucket.objects.using(self.alias).filter(bucket_id__in=wanted).only(*_READ_COLUMNS)
        return {
            row.bucket_id: rows.bucket_value(row)
            for row in found
            if row.expires_at is None or row.expires_at > now
        }

    @guarded
    def delete(self, ids: Iterable[str]) -> int:
        """See `BucketBroker.delete`."""
        return Bucket.objects.using(self.alias).filter(bucket_id__in=list(ids)).delete()[0]

    @guarded
    def prune(self, limit: int = 500, *, dry_run: bool = False) -> int:
        """See `BucketBroker.prune`."""
        connection = connections[self.alias]
        now = statements_for(connection).read_now(connection)
        table = Bucket.objects.using(self.alias)
        expired = table.filter(expires_at__lte=now).order_by("expires_at")
        if dry_run:
            return expired.count()
        keys = list(expired.values_list("pk", flat=True)[:limit])
        if not keys:
            return 0
        # Asked again, since one may have been overwritten in between with a later end.
        return table.filter(pk__in=keys, expires_at__lte=now).delete()[0]

    @guarded
    def generated(self, stored_before: int, after: str, limit: int) -> list[str]:
        """See `BucketBroker.generated`."""
        found = Bucket.objects.using(self.alias).filter(
            kind=Bucket.Kind.ARGUMENTS,
            generated=True,
            stored_at__lt=stored_before,
            bucket_id__gt=after,
        )
        return list(found.order_by("bucket_id").values_list("bucket_id", flat=True)[:limit])

    def shares(self, other: BucketBroker) -> bool:
        """See `BucketBroker.shares`."""
        return isinstance(other, DatabaseBucketBroker) and other.alias == self.alias


def bucket_values(records: Sequence[BucketRecord], now: int) -> list[tuple[object, ...]]:
    """Return the rows of buckets: the last of equal ids, in the order of the ids.

    One statement may not touch a row twice, and two that write in one order cannot deadlock.
    """
    last = {record.id_: record for record in records}
    return [rows.bucket(last[id_], now) for id_ in sorted(last)]
