"""`Job.of` and `using`."""

import asyncio
import inspect
import json
from datetime import timedelta

import pytest

from django_repid import BasicConverter, InvalidJob, Job, Repid, Router, RouterDefaults
from django_repid.core.job_options import JobOptions
from tests.core.kit import in_memory

validated = Router()
basic = Router(defaults=RouterDefaults(converter=BasicConverter))


@pytest.fixture(autouse=True)
def default():
    connection = in_memory()
    asyncio.run(Repid(connection).magic_connect())
    assert Repid.get_magic_connection() is connection
    return connection


@validated.actor(name="of.greet", queue="mail")
def greet(name: str, times: int = 1) -> str:
    return name * times


@validated.actor
async def positional(a: int, /, b: int = 2, **more: int) -> None: ...


@basic.actor
def spread(a: int, *rest: int) -> None: ...


@basic.actor
def spread_and_more(a: int, *rest: int, **more: int) -> None: ...


@basic.actor
def collide(a: int, /, **more: int) -> None: ...


def called_with(job, actor):
    """Return what the actor's converter makes of the arguments that travel."""
    return BasicConverter(actor).convert_inputs(job.args)


def test_a_job_of_a_call_holds_its_arguments_by_name():
    job = Job.of(greet, "Alex", times=3)
    assert (job.name, job.queue.name) == ("of.greet", "mail")
    assert _travels(job) == {"name": "Alex", "times": 3}


def test_what_the_call_leaves_out_is_left_to_the_actors_default():
    assert _travels(Job.of(greet, "Alex")) == {"name": "Alex"}


@pytest.mark.parametrize(
    ("actor", "args", "kwargs"),
    [
        (positional, (1,), {}),
        (positional, (1, 5), {"x": 6}),
        (spread, (1,), {}),
        (spread, (1, 2, 3), {}),
        (spread_and_more, (1,), {"x": 2}),
        (collide, (1,), {"b": 2}),
    ],
)
def test_the_actor_is_called_as_it_was_written(actor, args, kwargs):
    job = Job.of(actor, *args, **kwargs)
    assert _seen(actor, *called_with(job, actor)) == _seen(actor, args, kwargs)


@pytest.mark.parametrize(
    ("actor", "args", "kwargs"), [(spread_and_more, (1, 2, 3), {}), (collide, (1,), {"a": 2})]
)
def test_a_call_that_cannot_travel_by_name_arrives_as_written_or_is_refused(actor, args, kwargs):
    try:
        job = Job.of(actor, *args, **kwargs)
    except InvalidJob:
        return
    assert _seen(actor, *called_with(job, actor)) == _seen(actor, args, kwargs)


def _travels(job):
    return json.loads(job.args)


def _seen(actor, args, kwargs):
    bound = inspect.signature(actor).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.arguments


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("a", 1, 2), {}), (("a",), {"name": "b"}), (("a",), {"x": 1})]
)
def test_a_call_that_does_not_fit_the_signature_is_refused(args, kwargs):
    with pytest.raises(InvalidJob, match=r"do not fit greet\(name: str, times: int = 1\)"):
        Job.of(greet, *args, **kwargs)


def test_where_the_converter_validates_the_values_must_fit_too():
    with pytest.raises(InvalidJob, match=r"times: .*valid integer"):
        Job.of(greet, "Alex", times="many")  # type: ignore[arg-type]  # the mistake


def test_a_function_that_is_no_actor_is_refused():
    with pytest.raises(InvalidJob, match="registered as nothing"):
        Job.of(len, [1])


def test_using_returns_a_copy_with_other_options():
    job = Job.of(greet, "Alex")
    other = job.using(queue="fast", priority=9, timeout=timedelta(seconds=2), id_="u")
    assert other is not job
    assert (other.queue.name, other.priority, other.id_) == ("fast", 9, "u")
    assert (other.timeout, other.args) == (timedelta(seconds=2), job.args)
    assert (job.queue.name, job.priority, job.id_) == ("mail", 5, None)


def test_using_keeps_what_was_said_before(default):
    job = Job("greet", "slow", retries=3, headers={"a": "b"}, result_id="r", connection=default)
    other = job.using(priority=1).using(ttl=timedelta(seconds=5))
    assert (other.queue.name, other.retries, other.headers) == ("slow", 3, {"a": "b"})
    assert (other.result_id, other.priority, other.ttl) == ("r", 1, timedelta(seconds=5))
    assert other.connection is default


def test_the_generated_ids_of_a_copy_are_its_own():
    job = Job.of(greet, "Alex")
    assert job.using(priority=1).result_id != job.result_id
    assert job.using(priority=1).args_id != job.args_id


def test_using_checks_as_the_constructor_does():
    job = Job.of(greet, "Alex")
    with pytest.raises(InvalidJob, match="priority"):
        job.using(priority="high")  # type: ignore[arg-type]  # as meant
    with pytest.raises(TypeError, match="colour"):
        job.using(colour="blue")  # type: ignore[call-arg]  # as meant


def test_using_names_every_option_of_the_constructor_to_type_checkers():
    taken = inspect.signature(Job.__init__).parameters.keys() - {"self"}

    assert taken == JobOptions.__annotations__.keys()
    for name, annotation in JobOptions.__annotations__.items():
        assert inspect.signature(Job.__init__).parameters[name].annotation == annotation, name
