"""What a worker fills of an actor's parameters, decided when the actor is registered."""

import asyncio
import functools
import json
import time
from typing import Annotated, Any, Optional

import pytest

from django_repid import (
    INJECTED,
    BasicConverter,
    ConfigurationError,
    Depends,
    InvalidJob,
    Job,
    MessageDependency,
    PydanticConverter,
    Repid,
    Router,
)
from tests.core import postponed_dependencies as postponed
from tests.core.kit import in_memory


def word() -> str:
    return "word"


async def later() -> str:
    return "later"


def both(one: Annotated[str, Depends(word)], other: Annotated[str, Depends(later)]) -> str:
    return one + other


def needs(value: int) -> int:
    return value


def register(fn, converter=BasicConverter):
    router = Router()
    router.actor(name="it", converter=converter)(fn)
    return router.actors["it"]


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
def test_a_converter_sees_only_what_a_job_brings(converter):
    def actor(
        a: int,
        dep: Annotated[str, Depends(both)],
        b: int = 2,
        *,
        msg: MessageDependency,
        c: int = 3,
    ) -> int:
        raise NotImplementedError

    found = register(actor, converter)

    assert found.converter.convert_inputs('{"a": 1, "c": 5}') == ([], {"a": 1, "c": 5})
    assert found.injection is not None
    assert list(found.injection.sources) == ["dep", "msg"]


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
@pytest.mark.parametrize("given", ['{"a": 1, "dep": "x"}', '{"a": 1, "msg": null}', "{}"])
def test_arguments_cannot_fill_what_a_worker_fills(converter, given):
    def actor(a: int, dep: Annotated[str, Depends(word)], msg: MessageDependency) -> None: ...

    with pytest.raises(Exception, match="The arguments do not fit the actor: ") as raised:
        register(actor, converter).converter.convert_inputs(given)
    assert type(raised.value).__name__ == "ArgsInvalid"


def test_an_actor_without_dependencies_is_left_as_it_is():
    found = register(needs)
    assert found.injection is None
    assert found.visible is needs


def test_positional_only_parameters_stay_where_they_are():
    def actor(a: int, /, dep: Annotated[str, Depends(word)], b: int) -> None: ...

    converter = register(actor).converter
    assert converter.convert_inputs('{"a": 1, "b": 2}') == ([1], {"b": 2})


def test_dependencies_may_stand_behind_variadic_parameters():
    def actor(a: int, *rest: int, dep: Annotated[str, Depends(word)]) -> None: ...

    converter = register(actor).converter
    assert converter.convert_inputs('{"a": 1, "x": 2}') == ([1, 2], {})


@pytest.mark.parametrize("converter", [BasicConverter, PydanticConverter])
def test_postponed_annotations_are_read(converter):
    found = register(postponed.actor, converter)
    assert found.injection is not None
    assert list(found.injection.sources) == ["dep", "msg"]
    assert found.converter.convert_inputs('{"n": 1}') == ([], {"n": 1})


# --------------------------------------------------------------------------- wrong ones


class Caller:
    async def __call__(self) -> str:
        return "called"


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize("fn", [None, "word", 3, Depends(word)])
def test_what_cannot_be_called_is_no_dependency(fn):
    with pytest.raises(ConfigurationError, match="takes a function that makes the value, not"):
        Depends(fn)


@pytest.mark.parametrize("fn", [generator, async_generator, functools.partial(generator)])
def test_a_generator_is_no_dependency(fn):
    with pytest.raises(ConfigurationError, match="is a generator: it returns its value"):
        Depends(fn)


def test_a_parameter_that_nobody_fills_is_refused():
    def actor(dep: Annotated[int, Depends(needs)]) -> None: ...

    with pytest.raises(
        ConfigurationError, match=r"test_depends\.needs takes 'value', which nobody"
    ):
        register(actor)


def test_a_parameter_of_a_sub_dependency_that_nobody_fills_is_refused_too():
    def middle(it: Annotated[int, Depends(needs)]) -> int:
        raise NotImplementedError

    def actor(dep: Annotated[int, Depends(middle)]) -> None: ...

    with pytest.raises(ConfigurationError, match="takes 'value', which nobody fills"):
        register(actor)


def test_parameters_with_defaults_and_variadic_ones_are_left_alone():
    def makes(a: int = 1, *rest: int, b: int = 2, **more: int) -> int:
        raise NotImplementedError

    def actor(dep: Annotated[int, Depends(makes)], same: Annotated[dict, Depends(dict)]): ...

    assert register(actor).injection is not None


@pytest.mark.parametrize("fn", [postponed.chicken, postponed.egg, postponed.itself])
def test_a_dependency_that_depends_on_itself_is_refused(fn):
    def actor(dep: Annotated[int, Depends(fn)]) -> None: ...

    with pytest.raises(ConfigurationError, match="depends on itself"):
        register(actor)


def positional(dep: Annotated[str, Depends(word)], /) -> None: ...
def many(*dep: Annotated[str, Depends(word)]) -> None: ...
def named(**dep: Annotated[str, Depends(word)]) -> None: ...


@pytest.mark.parametrize("fn", [positional, many, named])
def test_a_dependency_is_passed_by_name(fn):
    def actor(it: Annotated[Any, Depends(fn)]) -> None: ...

    for one in (fn, actor):
        with pytest.raises(ConfigurationError, match="'dep' is passed by name"):
            register(one)


def test_a_dependency_before_variadic_parameters_is_refused():
    def actor(dep: Annotated[str, Depends(word)], *rest: int) -> None: ...

    with pytest.raises(ConfigurationError, match="Put the dependency 'dep' behind them"):
        register(actor)


def two(dep: Annotated[str, Depends(word), Depends(later)]) -> None: ...
def bare(dep: Annotated[str, Depends]) -> None: ...
def message_too(dep: Annotated[MessageDependency, Depends(word)]) -> None: ...


@pytest.mark.parametrize("fn", [two, bare, message_too])
def test_a_parameter_has_one_dependency(fn):
    with pytest.raises(ConfigurationError, match=r"'dep' of \w+: annotate it with one dependency"):
        register(fn)


def test_depends_is_no_default():
    def actor(dep: str = Depends(word)) -> None: ...  # type: ignore[assignment]  # the mistake

    with pytest.raises(ConfigurationError, match="Depends is no default"):
        register(actor)


def test_injected_is_the_default_of_dependencies_only():
    def actor(n: int = INJECTED) -> None: ...

    with pytest.raises(ConfigurationError, match="its annotation names no dependency"):
        register(actor)


def test_the_message_is_always_there():
    def actor(msg: MessageDependency | None = None) -> None: ...
    def old(msg: Optional[MessageDependency] = None) -> None: ...  # noqa: UP045 - the older form

    for one in (actor, old):
        with pytest.raises(ConfigurationError, match="annotate it with MessageDependency alone"):
            register(one)


@pytest.mark.parametrize("fn", [postponed.hidden_message, postponed.hidden_depends])
def test_a_dependency_that_only_type_checkers_see_is_refused(fn):
    with pytest.raises(ConfigurationError, match=r"cannot be evaluated.*at run time"):
        register(fn)


def test_beside_a_dependency_every_annotation_must_be_there():
    with pytest.raises(ConfigurationError, match="that of 'other' cannot be evaluated: 'Nowhere'"):
        register(postponed.half_hidden)


def test_a_signature_that_pydantic_cannot_read_is_still_refused():
    def actor(dep: Annotated[str, Depends(word)], odd: Caller) -> None: ...

    with pytest.raises(ConfigurationError, match="pydantic cannot read the annotations"):
        register(actor, PydanticConverter)


# --------------------------------------------------------------------------- other processes


def local_function():
    def local() -> int:
        raise NotImplementedError

    return local


@pytest.mark.parametrize(
    "fn", [local_function(), lambda: 1, functools.partial(word), functools.wraps(word)]
)
def test_another_process_must_find_a_function_by_its_name(fn):
    with pytest.raises(ConfigurationError, match="which cannot import it by that name"):
        Depends(fn, run_in_process=True)


def test_an_async_function_runs_in_no_other_process():
    with pytest.raises(ConfigurationError, match=r"later is async; run_in_process is for sync"):
        Depends(later, run_in_process=True)


def test_functions_of_modules_run_in_another_process():
    for fn in (word, time.time, dict):
        assert Depends(fn, run_in_process=True).provider.run_in_process


def test_the_message_goes_to_no_other_process():
    def actor(dep: Annotated[str, Depends(asks, run_in_process=True)]) -> None: ...

    with pytest.raises(ConfigurationError, match="where the message cannot go"):
        register(actor)


def asks(msg: MessageDependency) -> str:
    raise NotImplementedError


# --------------------------------------------------------------------------- overrides


def test_an_override_takes_the_place_of_the_function():
    depends = Depends(word)
    depends.override(later)
    assert depends.provider.fn is later
    assert depends.provider.is_async


@pytest.mark.parametrize("fn", [needs, generator, None, postponed.chicken])
def test_an_override_that_is_wrong_changes_nothing(fn):
    depends = Depends(word)
    with pytest.raises(ConfigurationError):
        depends.override(fn)
    assert depends.provider.fn is word


def test_an_override_by_what_depends_on_it_is_refused():
    depends = Depends(word)

    def outer(it: Annotated[str, depends]) -> str:
        raise NotImplementedError

    with pytest.raises(ConfigurationError, match="depends on itself"):
        depends.override(outer)
    assert depends.provider.fn is word


def test_a_callable_object_that_is_async_is_async():
    assert Depends(Caller()).provider.is_async
    assert not Depends(Caller).provider.is_async
    assert Depends(functools.partial(later)).provider.is_async


def test_it_says_what_it_stands_for():
    assert repr(Depends(word)) == "Depends(tests.core.test_depends.word)"
    assert repr(INJECTED) == "INJECTED"


# --------------------------------------------------------------------------- Job.of

router = Router()


@router.actor(name="depends.greet")
def greet(
    name: str,
    dep: Annotated[str, Depends(word)] = INJECTED,
    times: int = 1,
    *,
    msg: MessageDependency = INJECTED,
) -> None: ...


@pytest.fixture
def _default(plain_host):
    connection = in_memory()
    asyncio.run(Repid(connection).magic_connect())


@pytest.mark.usefixtures("_default")
def test_a_job_of_a_call_leaves_out_what_a_worker_fills():
    assert json.loads(str(Job.of(greet, "Alex").args)) == {"name": "Alex"}
    assert json.loads(str(Job.of(greet, "Alex", times=2).args)) == {"name": "Alex", "times": 2}


@pytest.mark.usefixtures("_default")
def test_a_call_that_gives_what_a_worker_fills_is_refused():
    with pytest.raises(InvalidJob, match="'dep' of greet is filled in by the worker"):
        Job.of(greet, "Alex", "mine")
    with pytest.raises(InvalidJob, match="'dep' of greet is filled in by the worker"):
        Job.of(greet, "Alex", dep="mine")


@pytest.mark.usefixtures("_default")
def test_a_call_that_does_not_fit_is_shown_the_signature_without_them():
    with pytest.raises(InvalidJob, match=r"do not fit greet\(name: str, times: int = 1\) -> None"):
        Job.of(greet)  # type: ignore[call-arg]  # the mistake
