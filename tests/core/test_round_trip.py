"""What the serializer writes the converters read back, as the annotations say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from django_repid import BasicConverter, PydanticConverter, default_serializer


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Size(IntEnum):
    NONE = 0
    BIG = 3


class Mood(StrEnum):
    GOOD = "good"
    BAD = "bad"


class Place(NamedTuple):
    name: str
    since: date


@dataclass(frozen=True)
class Point:
    x: int
    at: datetime
    tags: frozenset[Mood] = frozenset()


@dataclass
class Tree:
    when: date | None
    children: "list[Tree]" = field(default_factory=list)


class Person(BaseModel):
    name: str
    born: date
    worked: timedelta
    ids: set[UUID]


ZONES = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]
)
DATES = st.dates()
DATETIMES = st.datetimes(timezones=ZONES)
SPANS = st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
MOODS = st.sampled_from(Mood)
TREES = st.recursive(
    st.builds(Tree, st.none() | DATES),
    lambda inner: st.builds(Tree, st.none() | DATES, st.lists(inner, max_size=3)),
    max_leaves=6,
)
SCALARS: list[tuple[Any, Any]] = [
    (date, DATES),
    (datetime, DATETIMES),
    (time, st.times()),
    (timedelta, SPANS),
    (Decimal, DECIMALS),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (Mood, MOODS),
]


def containers_of(kind: Any, values: Any) -> list[tuple[Any, Any]]:
    return [
        (kind | None, st.none() | values),
        (list[kind], st.lists(values, max_size=3)),
        (dict[str, kind], st.dictionaries(st.text(), values, max_size=3)),
        (set[kind], st.sets(values, max_size=3)),
    ]


COMPOUND: list[tuple[Any, Any]] = [
    *[pair for kind, values in SCALARS for pair in containers_of(kind, values)],
    (frozenset[UUID], st.frozensets(st.uuids())),
    (tuple[date, int, Decimal], st.tuples(DATES, st.integers(), DECIMALS)),
    (tuple[Mood, ...], st.lists(MOODS).map(tuple)),
    (Sequence[date], st.lists(DATES)),
    (Mapping[str, list[date | None]], st.dictionaries(st.text(), st.lists(st.none() | DATES))),
    (dict[int, UUID], st.dictionaries(st.integers(), st.uuids())),
    (dict[float, date], st.dictionaries(st.floats(-1e9, 1e9), DATES)),
    (dict[bool, date], st.dictionaries(st.booleans(), DATES)),
    (dict[Size, date], st.dictionaries(st.sampled_from(Size), DATES)),
    (dict[Mood, date], st.dictionaries(MOODS, DATES)),
    (Annotated[Decimal, "euros"], DECIMALS),
    (int | Decimal, st.integers() | DECIMALS),
    (str | Point, st.text() | st.builds(Point, st.integers(), DATETIMES)),
    (Place, st.builds(Place, st.text(), DATES)),
    (Point, st.builds(Point, st.integers(), DATETIMES, st.frozensets(MOODS))),
    (Tree, TREES),
    (Person, st.builds(Person, worked=SPANS)),
    (list[int], st.lists(st.integers())),
    (Any, st.none() | st.booleans() | st.text() | st.lists(st.integers())),
]
EVERY = [*SCALARS, *COMPOUND]
NAMES = [f"{place}-{kind}" for place, (kind, _) in enumerate(EVERY)]


def actor(annotation: Any) -> Any:
    def fn(value, *, optional=None): ...

    fn.__annotations__ = {"value": annotation, "optional": annotation | None}
    return fn


def kinds_in(value: Any) -> Any:
    """Return what types a value is made of; with datetimes, how far they are from UTC."""
    if isinstance(value, dict):
        return dict, [(type(key), kinds_in(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [kinds_in(one) for one in value]
    if isinstance(value, set | frozenset):
        return type(value), {type(one) for one in value}
    return type(value), value.utcoffset() if isinstance(value, datetime) else None


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize(("annotation", "values"), EVERY, ids=NAMES)
def test_values_of_this_type_come_as_they_went(converter, annotation, values):
    made = converter(actor(annotation))

    @given(value=values)
    def come_back(value):
        args, kwargs = made.convert_inputs(default_serializer({"value": value, "optional": value}))
        assert args == []
        for one in kwargs.values():
            assert one == value
            assert kinds_in(one) == kinds_in(value)

    come_back()


def chained(annotation: Any) -> Any:
    def fn(): ...

    fn.__annotations__ = {"return": dict[str, annotation]}
    return fn


@pytest.mark.parametrize("reads", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize("writes", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize(("annotation", "values"), SCALARS, ids=NAMES[: len(SCALARS)])
def test_a_result_can_be_the_arguments_of_the_next_job(writes, reads, annotation, values):
    writer, reader = writes(chained(annotation)), reads(actor(annotation))

    @given(value=values)
    def come_through(value):
        _, kwargs = reader.convert_inputs(writer.convert_outputs({"value": value}))
        assert kwargs == {"value": value}
        assert type(kwargs["value"]) is type(value)

    come_through()
