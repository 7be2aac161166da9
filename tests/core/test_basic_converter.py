import math

import pytest

from django_repid import ArgsInvalid, BasicConverter, ResultInvalid


def plain(a, b): ...
def defaults(a, b=2): ...
def positional_only(a, b=2, /, c=3): ...
def positional_and_kwargs(a, /, **rest): ...
def spread(a, b=2, *rest): ...
def spread_and_named(*rest, c): ...
def named_only(*, a, b=2): ...
def everything(**rest): ...
def both(a, *rest, **more): ...
def nothing(): ...


def given_to(fn, data):
    """Return what the function is called with, after Python has accepted the call."""
    args, kwargs = BasicConverter(fn).convert_inputs(data)
    fn(*args, **kwargs)
    return tuple(args), kwargs


@pytest.mark.parametrize(
    ("fn", "data", "args", "kwargs"),
    [
        (plain, '{"b":[1],"a":"x"}', (), {"a": "x", "b": [1]}),
        (defaults, '{"a":1}', (), {"a": 1}),
        (defaults, '{"a":1,"b":null}', (), {"a": 1, "b": None}),
        (positional_only, '{"a":1}', (1, 2), {}),
        (positional_only, '{"c":5,"b":4,"a":1}', (1, 4), {"c": 5}),
        (positional_and_kwargs, '{"x":1,"a":2}', (2,), {"x": 1}),
        (spread, '{"a":1}', (1, 2), {}),
        (spread, '{"x":8,"a":1,"y":9}', (1, 2, 8, 9), {}),
        (spread, '{"y":9,"b":5,"a":1}', (1, 5, 9), {}),
        (spread_and_named, '{"x":1,"c":2,"y":3}', (1, 3), {"c": 2}),
        (named_only, '{"a":1}', (), {"a": 1}),
        (everything, '{"x":1,"y":2}', (), {"x": 1, "y": 2}),
        (both, '{"a":1,"x":2}', (), {"a": 1, "x": 2}),
        (nothing, "{}", (), {}),
        (nothing, "", (), {}),
        (everything, "", (), {}),
    ],
)
def test_names_become_parameters(fn, data, args, kwargs):
    assert given_to(fn, data) == (args, kwargs)


@pytest.mark.parametrize(
    ("fn", "data", "text"),
    [
        (plain, '{"a":1}', "missing: b"),
        (plain, "", "missing: a, b"),
        (positional_only, '{"b":1}', "missing: a"),
        (spread, '{"x":1}', "missing: a"),
        (spread_and_named, '{"x":1}', "missing: c"),
        (plain, '{"a":1,"b":2,"z":3,"c":4}', "unknown: c, z"),
        (named_only, '{"a":1,"x":2}', "unknown: x"),
        (nothing, '{"x":1}', "unknown: x"),
    ],
)
def test_missing_and_unknown_names_are_refused_by_name(fn, data, text):
    with pytest.raises(ArgsInvalid, match=text):
        BasicConverter(fn).convert_inputs(data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("[1]", "not list"),
        ("null", "not NoneType"),
        ('"a"', "not str"),
        ("1", "not int"),
        ("{", "not JSON"),
        ("not json", "not JSON"),
    ],
)
def test_arguments_that_are_no_json_object_are_refused(data, text):
    with pytest.raises(ArgsInvalid, match=text):
        BasicConverter(everything).convert_inputs(data)


def test_values_stay_as_json_gave_them():
    def typed(a: int, b: str): ...

    assert given_to(typed, '{"a":"no int","b":1.5}') == ((), {"a": "no int", "b": 1.5})


def test_one_call_leaves_nothing_behind_for_the_next():
    converter = BasicConverter(spread)
    first = converter.convert_inputs('{"a":1,"x":2}')
    assert converter.convert_inputs('{"a":1,"x":2}') == first
    assert converter.convert_inputs('{"a":5}') == ([5, 2], {})


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), ({"a": [1]}, '{"a":[1]}'), ((1, 2), "[1,2]")]
)
def test_a_result_becomes_text(value, text):
    assert BasicConverter(plain).convert_outputs(value) == text


@pytest.mark.parametrize("value", [object(), b"a", math.nan, {("a",): 1}])
def test_a_result_that_has_no_form_is_refused(value):
    with pytest.raises(ResultInvalid, match="cannot be stored as a result"):
        BasicConverter(plain).convert_outputs(value)
