"""Occurrences of recurring jobs: periods, cron lines, and clocks that are changed."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_repid.core import clock
from django_repid.core.schedule import ALIASES, Schedule, check_cron, zone_name, zone_of

SECOND = 1_000_000
HOUR = 3600 * SECOND
BERLIN = ZoneInfo("Europe/Berlin")


def us(text: str, zone: object = UTC) -> int:
    moment = datetime.fromisoformat(text)
    assert zone is UTC or isinstance(zone, ZoneInfo)
    return clock.to_us(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def occurrences(schedule: Schedule, after: str, count: int) -> list[str]:
    """Return occurrences as they are in UTC."""
    moment, found = us(after), []
    for _ in range(count):
        moment = schedule.following(moment, moment)
        found.append(f"{clock.from_us(moment):%m-%d %H:%M}")
    return found


def berlin(line: str) -> Schedule:
    return check_cron(line, "Europe/Berlin")


def test_a_period_begins_one_period_from_now() -> None:
    assert Schedule(every=HOUR).first(us("2026-01-01T10:30")) == us("2026-01-01T11:30")


def test_a_period_that_is_deferred_begins_then() -> None:
    until = us("2026-01-02T00:00")
    assert Schedule(every=HOUR).first(us("2026-01-01T10:30"), until) == until


def test_a_period_that_was_to_begin_long_ago_keeps_to_its_grid() -> None:
    until = us("2026-01-01T00:15")
    first = Schedule(every=HOUR).first(us("2026-01-01T10:30"), until)
    assert first == us("2026-01-01T11:15")


@given(
    every=st.integers(SECOND, 100 * HOUR), tick=st.integers(0, 10**16), late=st.integers(0, 10**13)
)
def test_the_next_of_a_period_is_the_first_on_its_grid_that_is_later(
    every: int, tick: int, late: int
) -> None:
    following = Schedule(every=every).following(tick, tick + late)

    assert following > tick + late
    assert following - every <= tick + late
    assert (following - tick) % every == 0


@given(
    every=st.integers(SECOND, 100 * HOUR),
    tick=st.integers(10**15, 10**16),
    at=st.integers(-(10**13), 10**13),
)
def test_a_run_that_nothing_planned_moves_no_grid(every: int, tick: int, at: int) -> None:
    schedule = Schedule(every=every)

    stands_for = schedule.run_at(tick, tick + at)

    assert (stands_for - tick) % every == 0
    if at >= 0:
        assert stands_for <= tick + at < stands_for + every
    else:  # what is still to come does so, however far off it is
        assert schedule.following(stands_for, tick + at) == tick


def test_a_run_before_the_first_occurrence_brings_none_forward() -> None:
    first, now = us("2026-01-05T12:00"), us("2026-01-01T12:30")

    for schedule in (Schedule(every=HOUR), berlin("0 * * * *")):
        assert schedule.following(schedule.run_at(first, now), now) == first


def test_the_next_is_never_before_the_one_that_has_just_been() -> None:
    tick = us("2026-01-01T12:00")
    assert Schedule(every=HOUR).following(tick, tick - 5 * HOUR) == tick + HOUR
    assert berlin("0 * * * *").following(tick, tick - 5 * HOUR) == tick + HOUR


def test_what_was_missed_comes_once() -> None:
    noon = check_cron("0 12 * * *", "UTC")
    assert occurrences(noon, "2026-01-01T12:00", 2) == ["01-02 12:00", "01-03 12:00"]
    assert noon.following(us("2026-01-01T12:00"), us("2026-01-09T17:00")) == us("2026-01-10T12:00")


@pytest.mark.parametrize("name", sorted(ALIASES))
def test_a_name_stands_for_its_line(name: str) -> None:
    now = us("2026-03-04T05:06")
    assert check_cron(name.upper(), "UTC").first(now) == check_cron(ALIASES[name], "UTC").first(now)


def test_a_fixed_time_in_the_gap_of_a_clock_change_comes_once_at_its_end() -> None:
    # On 2026-03-29 the clock of Berlin goes from 02:00 (UTC+1) to 03:00 (UTC+2).
    assert occurrences(berlin("30 2 * * *"), "2026-03-28T00:00", 3) == [
        "03-28 01:30",
        "03-29 01:00",
        "03-30 00:30",
    ]


def test_a_fixed_time_in_an_hour_that_comes_twice_comes_once() -> None:
    # On 2026-10-25 it goes from 03:00 (UTC+2) back to 02:00 (UTC+1).
    assert occurrences(berlin("30 2 * * *"), "2026-10-24T00:00", 3) == [
        "10-24 00:30",
        "10-25 00:30",
        "10-26 01:30",
    ]


def test_a_fixed_time_does_not_come_again_for_who_asks_in_the_second_of_two_equal_hours() -> None:
    second_half_past_two = us("2026-10-25T01:15")  # 02:15 by the clock, the second time
    following = berlin("30 2 * * *").following(0, second_half_past_two)
    assert following == us("2026-10-26T01:30")


def test_an_hourly_line_with_a_star_goes_on_through_both_equal_hours() -> None:
    assert occurrences(berlin("*/30 * * * *"), "2026-10-24T23:45", 5) == [
        "10-25 00:00",
        "10-25 00:30",
        "10-25 01:00",
        "10-25 01:30",
        "10-25 02:00",
    ]


def test_an_hourly_line_leaves_no_hour_out_at_a_gap() -> None:
    assert occurrences(berlin("0 * * * *"), "2026-03-28T23:30", 3) == [
        "03-29 00:00",
        "03-29 01:00",
        "03-29 02:00",
    ]


@given(tick=st.integers(us("2020-01-01"), us("2030-01-01")))
def test_in_every_zone_each_occurrence_is_later_than_the_one_before(tick: int) -> None:
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "+05:45"):
        for line in ("30 2 * * *", "*/20 1-3 * * *", "15 * * * 0"):
            assert check_cron(line, zone).following(tick, tick) > tick


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("* * * *", "five fields"),
        ("0 0 0 0 0 0", "five fields"),
        ("", "five fields"),
        (5, "five fields"),
        ("61 * * * *", "Bad minute"),
        ("* * * * MON-", "Bad day-of-week"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("@reboot", "@hourly"),
        ("@never", "@hourly"),
    ],
)
def test_a_line_that_cannot_be_is_refused(line: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_cron(line, "UTC")


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (BERLIN, "Europe/Berlin"),
        (UTC, "UTC"),
        (ZoneInfo("UTC"), "UTC"),
        (timezone(timedelta(hours=5, minutes=45)), "+05:45"),
        (timezone(-timedelta(hours=3, minutes=30)), "-03:30"),
    ],
)
def test_a_zone_travels_under_a_name(zone: object, name: str) -> None:
    assert zone_name(zone) == name
    now = datetime(2026, 7, 1, tzinfo=UTC)
    expected = ZoneInfo(zone) if isinstance(zone, str) else zone
    assert isinstance(expected, tzinfo)
    assert now.astimezone(zone_of(name)).utcoffset() == now.astimezone(expected).utcoffset()


@pytest.mark.parametrize("zone", ["Middle/Earth", "", "../etc/passwd", 5, None])
def test_a_zone_without_a_name_that_all_know_is_refused(zone: object) -> None:
    with pytest.raises(ValueError, match=r"[Tt]ime ?zone"):
        zone_name(zone)


def test_a_schedule_comes_back_from_the_wire_as_it_was() -> None:
    for schedule in (
        Schedule(every=HOUR),
        Schedule(cron="@daily", zone="Europe/Berlin", declared=True),
    ):
        assert Schedule.read(schedule.as_wire()) == schedule
    assert Schedule.read({"every": 5, "newer": 1}) == Schedule(every=5)
