import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from django_repid import ArgsBucket, JobFailed, ResultBucket

AT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("data", "value"),
    [('{"a":1}', {"a": 1}), ("[1,2]", [1, 2]), ("null", None), ('"é"', "é"), ("1.5", 1.5)],
)
@pytest.mark.parametrize("kind", [ArgsBucket, ResultBucket])
def test_the_value_of_a_bucket_is_its_data_decoded(kind, data, value):
    assert kind(data).value == value


def test_the_value_of_a_failed_bucket_raises_what_the_job_failed_with():
    bucket = ResultBucket("no such order", success=False, exception="LookupError")
    with pytest.raises(JobFailed, match="LookupError: no such order"):
        _ = bucket.value


def test_the_text_of_a_failed_bucket_need_not_be_json():
    assert ResultBucket("{", success=False, exception="ValueError").data == "{"


def test_a_bucket_expires_its_ttl_after_its_timestamp():
    assert ArgsBucket("1", AT, timedelta(hours=1)).expires_at == AT + timedelta(hours=1)
    assert ResultBucket("1", AT, timedelta(days=1)).expires_at == AT + timedelta(days=1)


def test_a_bucket_without_a_ttl_never_expires():
    assert ArgsBucket("1", AT).expires_at is None


def test_the_timestamp_of_a_new_bucket_is_now_and_aware():
    before = datetime.now(UTC)
    made = ArgsBucket("1").timestamp
    assert before <= made <= datetime.now(UTC)
    assert made.utcoffset() == timedelta(0)


def test_a_result_bucket_is_an_args_bucket_that_holds_more():
    bucket = ResultBucket('{"a":1}', AT)
    assert isinstance(bucket, ArgsBucket)
    assert (bucket.success, bucket.exception) == (True, None)
    assert (bucket.started_when, bucket.finished_when) == (0, 0)


@pytest.mark.parametrize("kind", [ArgsBucket, ResultBucket])
def test_a_bucket_does_not_change(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind("1").data = "2"
