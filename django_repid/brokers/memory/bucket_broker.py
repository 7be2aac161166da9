"""Buckets in this process."""

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django_repid.core import clock
from django_repid.core.bucket import ArgsBucket, BucketRecord


class InMemoryBucketBroker:
    """Buckets in this process. With `use_result_bucket` it can hold the results of jobs."""

    blocking = False

    def __init__(self, *, use_result_bucket: bool = False) -> None:
        self.use_result_bucket = use_result_bucket
        self._lock = threading.Lock()
        self._buckets: dict[str, ArgsBucket] = {}

    def store(self, records: Sequence[BucketRecord]) -> None:
        """See `BucketBroker.store`."""
        with self._lock:
            for record in records:
                self._buckets[record.id_] = replace(record.bucket, id_=record.id_)

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
            return sum(self._buckets.pop(id_, None) is not None for id_ in ids)

    def prune(self, limit: int = 500) -> int:
        """See `BucketBroker.prune`."""
        now = clock.utc_now()
        with self._lock:
            expired = (
                id_
                for id_, bucket in self._buckets.items()
                if bucket.expires_at is not None and bucket.expires_at <= now
            )
            ids = list(itertools.islice(expired, limit))
        return self.delete(ids)
