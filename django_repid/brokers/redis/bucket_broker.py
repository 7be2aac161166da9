"""Buckets in Redis, each a key with an end of its own."""

from collections.abc import Iterable, Mapping, Sequence

from django_repid.brokers.redis import wire
from django_repid.brokers.redis.access import Place, guarded, time_us
from django_repid.brokers.redis.scripts import run
from django_repid.core.bucket import ArgsBucket, BucketRecord
from django_repid.core.protocols import BucketBroker

#: Buckets that one script writes.
_CHUNK = 1000


class RedisBucketBroker:
    """Buckets in Redis. With `use_result_bucket` it can hold the results of jobs.

    Args:
        dsn: the address, as redis-py takes it.
        cache: instead of it, an alias of CACHES that is one of django-redis.
        prefix: what all keys begin with. Brokers with one address and one prefix share theirs.
        use_result_bucket: whether it can hold the results of jobs.

    """

    blocking = True

    def __init__(
        self,
        dsn: str | None = None,
        *,
        cache: str | None = None,
        prefix: str = "repid",
        use_result_bucket: bool = False,
    ) -> None:
        self.place = Place(dsn, cache, prefix)
        self.use_result_bucket = use_result_bucket

    @guarded
    def store(self, records: Sequence[BucketRecord]) -> None:
        """See `BucketBroker.store`."""
        for start in range(0, len(records), _CHUNK):
            arguments: list[str] = []
            for record in records[start : start + _CHUNK]:
                arguments += (
                    record.id_,
                    wire.number(record.stored_at),
                    wire.number(record.ttl),
                    str(int(record.generated)),
                    wire.bucket(record),
                )
            run(self.place, "store", *arguments)

    @guarded
    def get(self, ids: Iterable[str]) -> Mapping[str, ArgsBucket]:
        """See `BucketBroker.get`."""
        wanted = list(ids)
        if not wanted:
            return {}
        with self.place.client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.mget([self.place.key(f"b:{id_}") for id_ in wanted])
            time, texts = pipe.execute()
        now = time_us(time)
        found = {}
        for id_, text in zip(wanted, texts, strict=True):
            if text is not None:
                bucket, end = wire.read_bucket(id_, text)
                if end is None or end > now:  # Redis counts in milliseconds
                    found[id_] = bucket
        return found

    @guarded
    def delete(self, ids: Iterable[str]) -> int:
        """See `BucketBroker.delete`."""
        given = list(ids)
        chunks = (given[start : start + _CHUNK] for start in range(0, len(given), _CHUNK))
        return sum(run(self.place, "delete", *chunk) for chunk in chunks)

    def prune(self, limit: int = 500, *, dry_run: bool = False) -> int:
        """See `BucketBroker.prune`: Redis has removed them already."""
        return 0

    @guarded
    def generated(self, stored_before: int, after: str, limit: int) -> list[str]:
        """See `BucketBroker.generated`."""
        found: list[str] = []
        while len(found) < limit:
            after, ids = run(self.place, "generated", stored_before, after, limit - len(found))
            found += (id_.decode() for id_ in ids)
            if not after:
                break
        return found

    def shares(self, other: BucketBroker) -> bool:
        """See `BucketBroker.shares`."""
        return isinstance(other, RedisBucketBroker) and other.place.identity == self.place.identity
