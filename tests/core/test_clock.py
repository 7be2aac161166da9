import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_repid.core import clock

ZONES = st.sampled_from(
    [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kathmandu"), timezone(timedelta(hours=-9))]
)
FIRST, LAST = (datetime.fromisoformat(f"{year}-01-01") for year in (1900, 2500))
MOMENTS = st.datetimes(FIRST, LAST, timezones=ZONES)


@given(MOMENTS)
def test_a_moment_survives_the_way_to_microseconds_and_back(moment):
    back = clock.from_us(clock.to_us(moment))
    assert back == moment.astimezone(UTC)
    assert back.tzinfo is UTC


@given(st.integers(-(10**15), 2**53))
def test_microseconds_survive_the_way_to_a_moment_and_back(microseconds):
    assert clock.to_us(clock.from_us(microseconds)) == microseconds


def test_microseconds_count_from_1970_in_utc():
    assert clock.to_us(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert clock.to_us(datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == 0
    assert clock.to_us(datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)) == 1700000000000001


def test_a_naive_moment_has_no_microseconds():
    with pytest.raises(TypeError):
        clock.to_us(datetime(2024, 1, 1))  # noqa: DTZ001 - that is the point


@given(st.integers(-(10**18), 10**18))
def test_a_span_is_exact_to_the_microsecond(microseconds):
    assert clock.span_us(timedelta(microseconds=microseconds)) == microseconds


def test_the_three_readings_of_the_time_agree():
    before = time.time_ns()
    us, ns, moment = clock.now_us(), clock.now_ns(), clock.utc_now()
    after = time.time_ns()
    assert before // 1000 <= us <= after // 1000
    assert before <= ns <= after
    assert moment.tzinfo is UTC
    assert before // 1000 <= clock.to_us(moment) <= after // 1000
