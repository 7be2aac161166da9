import math
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field

from django_repid import ArgsInvalid, ConfigurationError, PydanticConverter, ResultInvalid
from tests.core import postponed


class Person(BaseModel):
    name: str
    born: date


def typed(user_id: int, names: list[str], day: date = date(2024, 1, 1)): ...
def untyped(a, b=None): ...
def model(person: Person, ids: set[UUID]): ...
def bounded(n: Annotated[int, Field(gt=0)]): ...
def odd(schema: int, _x: int, json: int, model_config: int = 4, self: int = 5, __y: int = 6): ...
def positional_only(a: int, b: int = 2, /, c: int = 3): ...
def rest(a: int, **more: Any): ...
def counted(**numbers: int): ...
def nothing(): ...


def given_to(fn, data):
    """Return what the function is called with, after Python has accepted the call."""
    args, kwargs = PydanticConverter(fn).convert_inputs(data)
    fn(*args, **kwargs)
    return tuple(args), kwargs


ODD = '{"schema":1,"_x":2,"json":3}'
UUID_1 = UUID(int=1)
BIRTHDAY = date(2000, 1, 2)


@pytest.mark.parametrize(
    ("fn", "data", "args", "kwargs"),
    [
        (typed, '{"user_id":"7","names":["a"]}', (), {"user_id": 7, "names": ["a"]}),
        (
            typed,
            '{"user_id":7,"names":[],"day":"2000-01-02"}',
            (),
            {"user_id": 7, "names": [], "day": BIRTHDAY},
        ),
        (untyped, '{"a":{"x":[1]}}', (), {"a": {"x": [1]}}),
        (
            model,
            f'{{"person":{{"name":"A","born":"2000-01-02"}},"ids":["{UUID_1}"]}}',
            (),
            {"person": Person(name="A", born=BIRTHDAY), "ids": {UUID_1}},
        ),
        (bounded, '{"n":1}', (), {"n": 1}),
        (odd, ODD, (), {"schema": 1, "_x": 2, "json": 3}),
        (
            odd,
            ODD[:-1] + ',"model_config":7,"self":8,"__y":9}',
            (),
            {"schema": 1, "_x": 2, "json": 3, "model_config": 7, "self": 8, "__y": 9},
        ),
        (positional_only, '{"a":1}', (1, 2), {}),
        (positional_only, '{"c":"6","b":5,"a":1}', (1, 5), {"c": 6}),
        (rest, '{"a":1,"x":[2]}', (), {"a": 1, "x": [2]}),
        (nothing, "", (), {}),
        (nothing, "{}", (), {}),
        (postponed.born, '{"day":"2000-01-02"}', (), {"day": BIRTHDAY}),
    ],
)
def test_arguments_are_validated_by_the_annotations(fn, data, args, kwargs):
    assert given_to(fn, data) == (args, kwargs)


@pytest.mark.parametrize(
    ("fn", "data", "text"),
    [
        (typed, '{"user_id":"x","names":[]}', "user_id: .*valid integer"),
        (typed, '{"user_id":1,"names":[1]}', r"names\.0: "),
        (typed, "", "user_id: Field required; names: Field required"),
        (typed, '{"user_id":1,"names":[],"other":2}', "other: Extra inputs"),
        (nothing, '{"x":1}', "x: Extra inputs"),
        (bounded, '{"n":0}', "n: .*greater than 0"),
        (odd, '{"schema":1,"_x":"no","json":3}', "_x: "),
        (rest, '{"x":1}', "a: Field required"),
        (counted, '{"a":1,"b":"no number"}', "b: "),
        (postponed.born, '{"day":"soon"}', "day: "),
        (typed, "[1]", "object"),
        (typed, "null", "object"),
        (typed, "{", "JSON"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(fn, data, text):
    with pytest.raises(ArgsInvalid, match=text):
        PydanticConverter(fn).convert_inputs(data)


def test_the_error_does_not_show_the_values():
    with pytest.raises(ArgsInvalid) as caught:
        PydanticConverter(bounded).convert_inputs('{"n":"my password"}')
    assert "password" not in str(caught.value)


def returns(annotation: Any) -> Callable[..., Any]:
    def fn(): ...

    fn.__annotations__["return"] = annotation
    return fn


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (int, 1, "1"),
        (list[date], [BIRTHDAY], '["2000-01-02"]'),
        (Person, Person(name="A", born=BIRTHDAY), '{"name":"A","born":"2000-01-02"}'),
        (Person, {"name": "A", "born": "2000-01-02"}, '{"name":"A","born":"2000-01-02"}'),
        (dict, {"a": 1}, '{"a":1}'),
        (int | None, None, "null"),
        (None, None, "null"),
        (Any, {1}, "[1]"),
        ("list[int]", [1], "[1]"),
    ],
)
def test_a_result_is_written_as_annotated(annotation, value, text):
    assert PydanticConverter(returns(annotation)).convert_outputs(value) == text


def test_a_result_without_an_annotation_is_written_by_the_serializer():
    assert PydanticConverter(nothing).convert_outputs({BIRTHDAY}) == '["2000-01-02"]'


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(int, "no int"), (list[int], None), (Person, {"name": "A"}), (dict, [1]), ("int", "x")],
)
def test_a_result_that_violates_its_annotation_is_refused(annotation, value):
    with pytest.raises(ResultInvalid, match="not what it is annotated with"):
        PydanticConverter(returns(annotation)).convert_outputs(value)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Any, object()),
        (Any, math.nan),
        (float, math.nan),
        (dict, {"a": object()}),
        (list, [b"\xff"]),
        (dict[str, Any], {"a": object()}),
    ],
)
def test_a_result_that_fits_but_has_no_form_in_json_is_refused_for_good(annotation, value):
    with pytest.raises(ResultInvalid):
        PydanticConverter(returns(annotation)).convert_outputs(value)


def test_star_args_are_refused_and_the_error_names_the_way_out():
    def fn(*numbers: int): ...

    with pytest.raises(ConfigurationError, match=r"\*numbers.*converter=BasicConverter"):
        PydanticConverter(fn)


class Opaque:
    """No type that pydantic knows."""


@pytest.mark.parametrize(
    "annotation",
    [Opaque, "list[", "3 | 'x'", Callable[[Opaque], Opaque] | Opaque],
    ids=repr,
)
@pytest.mark.parametrize("place", ["value", "return"])
def test_an_annotation_that_cannot_be_read_is_an_error_at_registration(place, annotation):
    def fn(value=None): ...

    fn.__annotations__[place] = annotation
    with pytest.raises(ConfigurationError, match=r"annotations of actor function .*fn"):
        PydanticConverter(fn)


def test_what_is_imported_for_type_checkers_only_is_passed_as_decoded_and_said(caplog):
    assert given_to(postponed.hidden, '{"price":"1.10"}') == ((), {"price": "1.10"})
    assert "parameter 'price' of actor function hidden" in caplog.text
    assert "Decimal" in caplog.text


@pytest.mark.parametrize("annotation", ["Nowhere", "date.nothing", "list[Nowhere]"])
def test_a_name_that_cannot_be_found_takes_its_parameter_alone_out_of_validation(annotation):
    def fn(value, n: int): ...

    fn.__annotations__ = {"value": annotation, "n": int, "return": annotation}
    assert given_to(fn, '{"value":[1],"n":"2"}') == ((), {"value": [1], "n": 2})
    assert PydanticConverter(fn).convert_outputs({BIRTHDAY}) == '["2000-01-02"]'
    with pytest.raises(ArgsInvalid, match="n: "):
        PydanticConverter(fn).convert_inputs('{"value":1,"n":"x"}')


FOUR: Any = Field(default=4, gt=0)
NO_NUMBERS: Any = Field(default_factory=list)


def aliased(a: str, b: int = Field(alias="bee"), c: Annotated[int, Field(alias="sea")] = 3): ...
def aliased_by_position(a: str, b: int = Field(alias="bee"), /): ...
def filled(a: int = FOUR, b: list[int] = NO_NUMBERS): ...
def filled_by_annotation(a: Annotated[int, Field(default=4)]): ...
def filled_by_position(a: int = FOUR, /): ...
def choices(a: Annotated[int, Field(validation_alias=AliasChoices("x", AliasPath("y", 0)))]): ...
def bounded_default(a: Annotated[int, Field(gt=0)] = 7): ...


@pytest.mark.parametrize(
    ("fn", "data", "args", "kwargs"),
    [
        (aliased, '{"a":"x","bee":"1","sea":2}', (), {"a": "x", "b": 1, "c": 2}),
        (aliased, '{"a":"x","bee":1}', (), {"a": "x", "b": 1}),
        (aliased, '{"a":"x","b":1,"c":2}', (), {"a": "x", "b": 1, "c": 2}),
        (aliased_by_position, '{"bee":1,"a":"x"}', ("x", 1), {}),
        (filled, "{}", (), {"a": 4, "b": []}),
        (filled, '{"a":5,"b":["6"]}', (), {"a": 5, "b": [6]}),
        (filled_by_annotation, "{}", (), {"a": 4}),
        (filled_by_position, "", (4,), {}),
        (choices, '{"x":1}', (), {"a": 1}),
        (choices, '{"a":1}', (), {"a": 1}),
        (bounded_default, "", (), {}),
    ],
)
def test_aliases_and_defaults_of_a_field_hold(fn, data, args, kwargs):
    assert given_to(fn, data) == (args, kwargs)


@pytest.mark.parametrize(
    ("fn", "data", "text"),
    [
        (aliased, '{"a":"x"}', "bee: Field required"),
        (aliased, '{"a":"x","bee":1,"cee":2}', "cee: Extra inputs"),
        (filled, '{"a":0}', "a: .*greater than 0"),
        (aliased_by_position, '{"a":"x","bee":"no"}', "bee: .*integer"),
    ],
)
def test_what_does_not_fit_is_named_by_its_alias(fn, data, text):
    with pytest.raises(ArgsInvalid, match=text):
        PydanticConverter(fn).convert_inputs(data)


def test_defaults_made_by_a_factory_are_not_shared():
    converter = PydanticConverter(filled)
    converter.convert_inputs("{}")[1]["b"].append(1)
    assert converter.convert_inputs("{}")[1]["b"] == []
