"""The removal of what has expired, in small steps that never hold what a claim waits for."""

import time
from collections import Counter

from django_repid.core.connection import Connection
from django_repid.core.protocols import BucketBroker

_STEP = 500
_PAUSE_SECONDS = 0.05
_DAY_US = 86_400_000_000
#: Younger args buckets may belong to a message that is only just being written.
_UNUSED_AFTER_US = 3_600_000_000


def prune(
    connection: Connection, *, unused_args: bool = False, dry_run: bool = False
) -> dict[str, int]:
    """Remove expired buckets, and what is past its retention; return how many rows of each kind.

    With `unused_args` also args buckets under generated ids that no message refers to any more:
    without a TTL they are kept until then. With `dry_run` nothing is removed, only counted.
    """
    total: Counter[str] = Counter()
    broker, options = connection.message_broker, connection.options
    now = broker.now_us()
    dead_before = now - round(options.dead_retention_days * _DAY_US)
    statistics_before = now - round(options.statistics_retention_days * _DAY_US)
    while True:
        pruned = broker.prune(dead_before, statistics_before, _STEP, dry_run=dry_run)
        total.update(pruned)
        if dry_run or not any(pruned.values()):
            break
        time.sleep(_PAUSE_SECONDS)
    total["expired buckets"] = _prune_buckets(connection, dry_run=dry_run)
    if unused_args and connection.args_bucket_broker is not None:
        total["unused args buckets"] = _prune_unused(
            connection, connection.args_bucket_broker, now - _UNUSED_AFTER_US, dry_run=dry_run
        )
    return dict(total)


def _prune_buckets(connection: Connection, *, dry_run: bool) -> int:
    args, results = connection.args_bucket_broker, connection.results_bucket_broker
    counts: list[int] = []
    for buckets in (args, results):
        if buckets is None:
            continue
        count = buckets.prune(_STEP, dry_run=dry_run)
        counts.append(count)
        while count and not dry_run:
            time.sleep(_PAUSE_SECONDS)
            count = buckets.prune(_STEP)
            counts.append(count)
    # Two brokers on one table would count it twice, where nothing is removed in between.
    one_table = args is not None and results is not None and args.shares(results)
    return max(counts, default=0) if dry_run and one_table else sum(counts)


def _prune_unused(
    connection: Connection, buckets: BucketBroker, before: int, *, dry_run: bool
) -> int:
    count = 0
    after = ""
    while page := buckets.generated(before, after, _STEP):
        after = page[-1]
        unused = set(page) - connection.message_broker.referred(page)
        count += len(unused) if dry_run else connection.delete_buckets(buckets, unused)
    return count
