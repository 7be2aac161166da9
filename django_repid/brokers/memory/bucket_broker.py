"""Buckets in this process."""

import threading
from collections.abc import Iterable, Mapping, Sequence

from django_repid.core import clock
from django_repid.core.bucket import ArgsBucket, BucketRecord
from django_repid.core.protocols import BucketBroker


class InMemoryBucketBroker:
    """Buckets in this process. With `use_result_bucket` it can hold the results of jobs."""

    blocking = False

    def __init__(self, *, use_result_bucket: bool = False) -> None:
        self.use_result_bucket = use_result_bucket
        self._lock = threading.Lock()
        self._buckets: dict[str, ArgsBucket] = {}
        self._generated: set[str] = set()

    def store(self, records: Sequence[BucketRecord]) -> None:
        """See `BucketBroker.store`."""
        with self._lock:
            for record in records:
                self._buckets[record.id_] = record.bucket
                if record.generated:
                    self._generated.add(record.id_)
                else:
                    self._generated.discard(record.id_)

    def get(self, ids: Iterable[str]) -> Mapping[str, ArgsBucket]:
        """See `BucketBroker.get`."""
        now = clock.utc_now()
        with self._lock:
            found = {id_: self._buckets[id_] for id_ in ids if id_ in self._buckets}
        return {
            id_: bucket
            for id_, bucket in found.items()
            if bucket.expires_at is None or bucket.expires_at > now
        }

    def delete(self, ids: Iterable[str]) -> int:
        """See `BucketBroker.delete`."""
        with self._lock:
            removed = [id_ for id_ in ids if self._buckets.pop(id_, None) is not None]
            self._generated.difference_update(removed)
        return len(removed)

    def prune(self, limit: int = 500, *, dry_run: bool = False) -> int:
        """See `BucketBroker.prune`."""
        now = clock.utc_now()
        with self._lock:
            ids = [
                id_
                for id_, bucket in self._buckets.items()
                if bucket.expires_at is not None and bucket.expires_at <= now
            ]
        return len(ids) if dry_run else self.delete(ids[:limit])

    def generated(self, stored_before: int, after: str, limit: int) -> list[str]:
        """See `BucketBroker.generated`."""
        with self._lock:
            ids = [
                id_
                for id_ in self._generated
                if id_ > after and clock.to_us(self._buckets[id_].timestamp) < stored_before
            ]
        return sorted(ids)[:limit]

    def shares(self, other: BucketBroker) -> bool:
        """See `BucketBroker.shares`."""
        return other is self
