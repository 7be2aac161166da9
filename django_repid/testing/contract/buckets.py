"""What a store of buckets promises."""

from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from django_repid.core.bucket import ResultBucket
from django_repid.core.connection import Connection
from django_repid.core.protocols import BucketBroker
from django_repid.testing.contract.kit import (
    HOUR,
    Stage,
    StageFixture,
    ack,
    args_record,
    new,
    record,
)


class BucketContract(StageFixture):
    """One namespace for arguments and results, and an end for each at its time.

    `removes_expired`: whether the store removes them by itself, so that nothing is left to prune.
    """

    removes_expired: ClassVar[bool] = False

    @pytest.fixture
    def buckets(self, connection: Connection) -> BucketBroker:
        """Return the results bucket broker."""
        assert connection.results_bucket_broker is not None
        return connection.results_bucket_broker

    def test_what_was_stored_is_what_is_read(self, buckets: BucketBroker, stage: Stage) -> None:
        now = stage.broker.now_us()
        buckets.store([args_record("a", '{"ü":"€"}'), record("r", "[]", success=False, now=now)])

        found = buckets.get(["a", "r", "nothing"])

        assert set(found) == {"a", "r"}
        assert found["a"].data == '{"ü":"€"}'
        assert found["a"].id_ == "a"
        assert not isinstance(found["a"], ResultBucket)
        failed = found["r"]
        assert isinstance(failed, ResultBucket)
        assert (failed.success, failed.exception) == (False, "ValueError")

    def test_timestamps_are_aware_and_of_the_stores_clock(
        self, buckets: BucketBroker, stage: Stage
    ) -> None:
        before = stage.broker.now_us()
        buckets.store([record("r", now=before)])

        stored = buckets.get(["r"])["r"].timestamp

        assert stored.tzinfo is not None
        assert abs(stored.timestamp() * 1_000_000 - before) < 60 * 1_000_000

    def test_storing_again_replaces_the_kind_too(self, buckets: BucketBroker, stage: Stage) -> None:
        buckets.store([args_record("x", "{}", ttl=timedelta(hours=1))])
        buckets.store([record("x", "[2]", now=stage.broker.now_us())])

        found = buckets.get(["x"])["x"]

        assert isinstance(found, ResultBucket)
        assert (found.data, found.ttl) == ("[2]", None)

    def test_the_last_of_equal_ids_wins(self, buckets: BucketBroker) -> None:
        buckets.store([args_record("x", "1"), args_record("y", "2"), args_record("x", "3")])

        assert {id_: b.data for id_, b in buckets.get(["x", "y"]).items()} == {"x": "3", "y": "2"}

    def test_ids_differ_by_case(self, buckets: BucketBroker) -> None:
        buckets.store([args_record("Key", "1"), args_record("key", "2")])

        assert buckets.get(["Key"])["Key"].data == "1"
        assert buckets.get(["key"])["key"].data == "2"

    def test_an_expired_bucket_is_gone_for_readers_before_it_is_pruned(
        self, buckets: BucketBroker, stage: Stage
    ) -> None:
        past = stage.broker.now_us() - HOUR
        expired = record("old", ttl=timedelta(minutes=1), now=past)
        stage.enqueue(new())
        stage.settle(ack(stage.claim_one(), expired))
        buckets.store([args_record("young", ttl=timedelta(hours=1)), args_record("ever")])

        assert set(buckets.get(["old", "young", "ever"])) == {"young", "ever"}
        left = 0 if self.removes_expired else 1
        assert buckets.prune(dry_run=True) == left
        assert buckets.prune() == left
        assert buckets.prune() == 0
        assert set(buckets.get(["old", "young", "ever"])) == {"young", "ever"}

    def test_deleting_says_how_many_there_were(self, buckets: BucketBroker) -> None:
        buckets.store([args_record("x"), args_record("y")])

        assert buckets.delete(["x", "nothing"]) == 1
        assert set(buckets.get(["x", "y"])) == {"y"}

    def test_reading_nothing_and_storing_nothing_are_fine(self, buckets: BucketBroker) -> None:
        buckets.store([])

        assert dict(buckets.get([])) == {}
        assert buckets.delete([]) == 0

    def test_a_big_bucket_survives(self, buckets: BucketBroker) -> None:
        data = '"' + "x" * 900_000 + '"'

        buckets.store([args_record("big", data)])

        assert buckets.get(["big"])["big"].data == data

    def test_generated_args_buckets_can_be_listed(
        self, buckets: BucketBroker, stage: Stage
    ) -> None:
        names = [args_record(f"g{n}", generated=True) for n in range(3)]
        chosen = replace(args_record("chosen"), generated=False)
        buckets.store([*names, chosen, record("result", now=stage.broker.now_us())])
        later = stage.broker.now_us() + HOUR

        assert buckets.generated(later, "", 2) == ["g0", "g1"]
        assert buckets.generated(later, "g1", 2) == ["g2"]
        assert buckets.generated(stage.broker.now_us() - HOUR, "", 2) == []
