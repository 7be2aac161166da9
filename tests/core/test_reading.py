"""The basic converter reads the types that JSON lacks, and names what it cannot read."""

import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntFlag
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import pytest

from django_repid import ArgsInvalid, BasicConverter, Secret
from django_repid.core.reading import reader_of
from tests.core import postponed

DAY = date(2024, 1, 2)
Day = NewType("Day", date)


class Colour(Enum):
    RED = "red"
    BOTH = ("a", 1)
    SINCE = DAY

    @classmethod
    def _missing_(cls, value: object) -> "Colour | None":
        return cls.RED if value == "burgundy" else None


class Access(IntFlag):
    READ = 1
    WRITE = 2


@dataclass
class Point:
    x: int
    day: date = DAY
    area: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("secret-text")
        self.area = self.x * 2.0


class Order(TypedDict):
    number: int
    day: NotRequired[date]


class PlainOrder(TypedDict):
    number: int


def actor(annotation: Any) -> Callable[..., Any]:
    def fn(value): ...

    fn.__annotations__ = {"value": annotation}
    return fn


def read(annotation: Any, text: str) -> Any:
    (_, kwargs) = BasicConverter(actor(annotation)).convert_inputs(f'{{"value":{text}}}')
    return kwargs["value"]


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (datetime, '"2024-01-02T03:04:05Z"', datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (timedelta, "90", timedelta(seconds=90)),
        (timedelta, '"-P1DT2H"', -timedelta(days=1, hours=2)),
        (timedelta, '"P1Y35DT5.000007S"', timedelta(days=400, seconds=5, microseconds=7)),
        (timedelta, '"PT1M0.5S"', timedelta(seconds=60.5)),
        (Decimal, "1.5", Decimal("1.5")),
        (Decimal, "3", Decimal(3)),
        (Colour, '"red"', Colour.RED),
        (Colour, '["a",1]', Colour.BOTH),
        (Colour, '"2024-01-02"', Colour.SINCE),
        (Colour, '"burgundy"', Colour.RED),
        (Access, "3", Access.READ | Access.WRITE),
        (Day, '"2024-01-02"', DAY),
        (Annotated[list[Day], "extra"], '["2024-01-02"]', [DAY]),
        (Point, '{"x":2,"area":4.0,"unknown":1}', Point(2)),
        (Order, '{"number":1,"day":"2024-01-02","more":1}', {"number": 1, "day": DAY, "more": 1}),
        (Order, '{"number":1}', {"number": 1}),
        (date | datetime, '"2024-01-02"', DAY),
        (datetime | date, '"2024-01-02"', DAY),
        (datetime | date, '"2024-01-02T00:00:00"', datetime(2024, 1, 2)),  # noqa: DTZ001 - naive
        (date | timedelta, "0", timedelta(0)),
        (date | str, '"soon"', "soon"),
        (str | date, '"2024-01-02"', "2024-01-02"),
        (Literal["never"] | date, '"never"', "never"),
        (Literal["never"] | date, '"2024-01-02"', DAY),
        (bool | Decimal, "true", True),
        (int | UUID | None, "null", None),
        (dict[str, Any] | date, '{"a":1}', {"a": 1}),
        (set, "[1,1]", {1}),
        (tuple, "[1]", (1,)),
        (typing.List[date], '["2024-01-02"]', [DAY]),  # noqa: UP006 - as old code has it
        (typing.Optional[date], "null", None),  # noqa: UP045 - as above
    ],
    ids=repr,
)
def test_a_value_becomes_what_the_annotation_asks_for(annotation, text, value):
    found = read(annotation, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("annotation", "text", "error"),
    [
        (date, '"soon"', "value: must be a date"),
        (date, "5", "value: must be a date"),
        (date, "null", "value: must be a date"),
        (date | None, '"soon"', "value: must be one of the types"),
        (date | str, "5", "value: must be one of the types"),
        (Literal["a"] | date, '"b"', "value: must be one of the types"),
        (datetime, '"soon"', "value: must be a date and time"),
        (UUID, '"x"', "value: must be a UUID"),
        (Decimal, '"x"', "value: must be a decimal"),
        (Decimal, '"NaN"', "value: must be a decimal"),
        (Decimal, "true", "value: must be a decimal"),
        (timedelta, "true", "value: must be a number of seconds"),
        (timedelta, "1e300", "value: must be a number of seconds"),
        (timedelta, '"soon"', "value: must be a number of seconds"),
        (timedelta, '"P99999999999Y"', "value: must be a number of seconds"),
        (Colour, '"green"', "value: must be a value of Colour"),
        (list[date], '["2024-01-02","x"]', r"value\.1: must be a date"),
        (list[date], '"2024-01-02"', "value: must be a list"),
        (dict[str, list[date]], '{"a":[1]}', r"value\.a\.0: must be a date"),
        (dict[int, date], '{"a":"2024-01-02"}', r"value\.a: must be an int"),
        (dict[bool, date], '{"x":"2024-01-02"}', r"value\.x: must be a bool"),
        (dict[str, date], "[]", "value: must be an object"),
        (set[int], "[[1]]", "value: must be a list of what can be in a set"),
        (tuple[date, int], '["2024-01-02"]', "value: must be a list of 2"),
        (tuple[date, int], '["x",1]', r"value\.0: must be a date"),
        (Point, '{"day":"2024-01-02"}', r"value\.x: is missing"),
        (Point, '{"x":1,"day":"x"}', r"value\.day: must be a date"),
        (Point, '{"x":-1}', r"value: must be what Point takes \(ValueError\)"),
        (Point, '"x"', "value: must be an object"),
        (Order, '{"number":1,"day":1}', r"value\.day: must be a date"),
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_refused_with_the_way_to_it(annotation, text, error):
    with pytest.raises(ArgsInvalid, match=f"^The arguments do not fit the actor: {error}"):
        read(annotation, text)


PLAIN = [int, str, float, bool, None, Any, list, dict, list[int], dict[str, Any], int | str | None]
PLAIN += [Literal["a"], PlainOrder, list[PlainOrder], object, bytes, "text", typing.TypeVar("T")]


@pytest.mark.parametrize("annotation", [*PLAIN, type, Callable, 5, [int]], ids=repr)
def test_what_json_has_itself_needs_no_reader(annotation):
    assert reader_of(annotation) is None


def test_an_actor_of_plain_types_does_nothing_more_per_job():
    def fn(a: int, b: list[str], *, c: dict[str, Any] | None = None): ...

    converter = BasicConverter(fn)
    assert not converter._reads


def spread(first: date, *days: date): ...
def rest(first: int, **days: date): ...
def by_position(day: date, n: int = 1, /, *, at: datetime | None = None): ...


@pytest.mark.parametrize(
    ("fn", "text", "args", "kwargs"),
    [
        (spread, '{"first":"2024-01-02","x":"2024-01-02"}', [DAY, DAY], {}),
        (rest, '{"first":1,"x":"2024-01-02"}', [], {"first": 1, "x": DAY}),
        (by_position, '{"day":"2024-01-02"}', [DAY, 1], {}),
        (by_position, '{"at":null,"day":"2024-01-02"}', [DAY, 1], {"at": None}),
        (postponed.born, '{"day":"2024-01-02"}', [], {"day": DAY}),
    ],
)
def test_every_kind_of_parameter_is_read(fn, text, args, kwargs):
    assert BasicConverter(fn).convert_inputs(text) == (args, kwargs)


@pytest.mark.parametrize("fn", [spread, rest])
def test_what_goes_into_the_rest_is_refused_by_its_name(fn):
    first = '"2024-01-02"' if fn is spread else "1"
    with pytest.raises(ArgsInvalid, match="actor: x: must be a date"):
        BasicConverter(fn).convert_inputs(f'{{"first":{first},"x":"soon"}}')


def test_a_name_that_cannot_be_found_is_passed_as_decoded_and_said(caplog):
    _, kwargs = BasicConverter(postponed.hidden).convert_inputs('{"price":"1.10"}')
    assert kwargs == {"price": "1.10"}
    assert "parameter 'price' of actor function hidden" in caplog.text


@pytest.mark.parametrize("annotation", ["list[", "3 | 'x'", "Nowhere", "date.nothing"])
def test_an_annotation_that_cannot_be_evaluated_asks_for_nothing(annotation):
    assert read(annotation, "[1]") == [1]


@dataclass
class Half:
    day: date
    other: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - the point


def test_a_field_that_cannot_be_evaluated_leaves_the_others_read():
    assert read(Half, '{"day":"2024-01-02","other":"2024-01-02"}') == Half(DAY, "2024-01-02")


def test_neither_values_nor_keys_below_a_secret_are_shown():
    def fn(tokens: dict[str, date], mine: Annotated[dict[str, date], Secret]): ...

    converter = BasicConverter(fn)
    for text in (
        '{"tokens":{"hunter2":"hunter2"},"mine":{}}',
        '{"tokens":{},"mine":{"hunter2":1}}',
    ):
        with pytest.raises(ArgsInvalid) as caught:
            converter.convert_inputs(text)
        assert "hunter2" not in str(caught.value)
        assert "must be a date" in str(caught.value)


def test_what_a_constructor_says_is_not_shown():
    with pytest.raises(ArgsInvalid) as caught:
        read(Point, '{"x":-1}')
    assert "secret-text" not in str(caught.value)
    assert caught.value.__suppress_context__


@dataclass
class Tree:
    inner: "list[Tree]" = field(default_factory=list)


def test_a_type_may_contain_itself_but_not_without_end():
    assert read(Tree, '{"inner":[{"inner":[]}]}') == Tree([Tree()])
    depth = 330
    with pytest.raises(ArgsInvalid, match="value: nested too deeply"):
        read(Tree, '{"inner":[' * depth + "]}" * depth)
