import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from django_repid import default_serializer


@dataclass
class Point:
    x: int
    label: "Label | None" = None


@dataclass(frozen=True, slots=True)
class Label:
    text: str
    made: date


class Person(BaseModel):
    name: str
    born: date


class Colour(Enum):
    RED = "red"
    BOTH = ("a", 1)


class Size(IntEnum):
    BIG = 3


class Mood(StrEnum):
    GOOD = "good"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)

WRITTEN = [
    (Point(1), {"x": 1, "label": None}),
    (
        Point(1, Label("a", date(2024, 1, 2))),
        {"x": 1, "label": {"text": "a", "made": "2024-01-02"}},
    ),
    (Person(name="Alex", born=date(2000, 1, 2)), {"name": "Alex", "born": "2000-01-02"}),
    (datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2024-01-02T03:04:05.000006+00:00"),
    (date(2024, 1, 2), "2024-01-02"),
    (time(3, 4, 5), "03:04:05"),
    (timedelta(minutes=1, milliseconds=500), 60.5),
    (Decimal("1.10"), "1.10"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Colour.RED, "red"),
    (Colour.BOTH, ["a", 1]),
    (Size.BIG, 3),
    (Mood.GOOD, "good"),
    ({1}, [1]),
    (frozenset({"a"}), ["a"]),
    ((1, 2), [1, 2]),
    (MappingProxyType({"a": 1}), {"a": 1}),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    ({1: "int"}, {"1": "int"}),
]


@pytest.mark.parametrize(
    ("value", "plain"),
    WRITTEN,
    ids=[type(value).__name__ + f"-{n}" for n, (value, _) in enumerate(WRITTEN)],
)
def test_a_value_is_written_in_the_form_that_json_has_for_it(value, plain):
    assert json.loads(default_serializer(value)) == plain
    assert json.loads(default_serializer({"deep": [value]})) == {"deep": [plain]}


@given(JSON)
def test_what_json_knows_survives_the_way_to_text_and_back(value):
    text = default_serializer(value)
    assert text.isascii()
    assert json.loads(text) == value


def test_a_set_keeps_all_its_members():
    assert sorted(json.loads(default_serializer({3, 1, 2}))) == [1, 2, 3]


def test_the_text_has_no_needless_spaces():
    assert default_serializer({"a": [1, 2], "b": None}) == '{"a":[1,2],"b":null}'


@pytest.mark.parametrize("value", [b"a", bytearray(b"a"), memoryview(b"a")])
def test_bytes_are_refused_and_the_error_says_what_to_do(value):
    with pytest.raises(TypeError, match="base64"):
        default_serializer({"file": value})


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, *map(Decimal, ("NaN", "sNaN", "Infinity"))]
)
def test_nan_and_infinities_are_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        default_serializer({"deep": [value]})


@pytest.mark.parametrize("value", [object(), Point, len, {("a",): 1}, 1j])
def test_what_has_no_form_in_json_is_refused(value):
    with pytest.raises(TypeError):
        default_serializer(value)


def test_the_error_names_the_type_that_has_no_form():
    with pytest.raises(TypeError, match=r"complex has no form in JSON$"):
        default_serializer([1j])


def test_a_value_that_contains_itself_is_refused():
    loop: list[object] = []
    loop.append({"again": loop})
    with pytest.raises(ValueError, match="ircular"):
        default_serializer(loop)
