from datetime import timedelta

import pytest

from django_repid import (
    ActorConflict,
    BasicConverter,
    ConfigurationError,
    InvalidJob,
    Job,
    PydanticConverter,
    Router,
    RouterDefaults,
)
from tests.core.kit import in_memory


def greet(name: str) -> str:
    return f"hello {name}"


async def greet_later(name: str) -> str:
    return f"hello {name}"


def wait_a_second(retry_number=1):
    return timedelta(seconds=1)


@pytest.mark.parametrize("fn", [greet, greet_later])
def test_the_decorator_returns_the_function_unchanged(fn):
    router = Router()
    assert router.actor(fn) is fn
    assert router.actor(name="again", queue="mail")(fn) is fn
    assert router.actors["again"].fn is fn


def test_an_actor_is_named_after_its_function_and_runs_where_its_kind_does():
    router = Router()
    router.actor(greet)
    router.actor(greet_later)
    assert router.topics == {"greet", "greet_later"}
    assert not router.actors["greet"].is_async
    assert router.actors["greet_later"].is_async
    assert router.actors["greet"].place.startswith("tests.core.test_router.greet (line ")


def test_an_actor_has_its_own_terms():
    router = Router()
    router.actor(
        name="hello",
        queue="mail",
        retry_policy=wait_a_second,
        converter=BasicConverter,
        timeout=timedelta(seconds=5),
        retries=3,
    )(greet)
    actor = router.actors["hello"]
    assert (actor.name, actor.queue, actor.retries) == ("hello", "mail", 3)
    assert (actor.retry_policy, actor.timeout) == (wait_a_second, timedelta(seconds=5))
    assert isinstance(actor.converter, BasicConverter)


def test_what_an_actor_does_not_say_its_router_does():
    defaults = RouterDefaults(
        queue="slow",
        retry_policy=wait_a_second,
        converter=BasicConverter,
        timeout=timedelta(hours=1),
        retries=2,
    )
    router = Router(defaults=defaults)
    router.actor(greet)
    router.actor(queue="fast", retries=0, converter=PydanticConverter)(greet_later)
    slow, fast = router.actors["greet"], router.actors["greet_later"]
    assert (slow.queue, slow.retries, slow.timeout) == ("slow", 2, timedelta(hours=1))
    assert slow.retry_policy is wait_a_second
    assert isinstance(slow.converter, BasicConverter)
    assert (fast.queue, fast.retries, fast.timeout) == ("fast", 0, timedelta(hours=1))
    assert isinstance(fast.converter, PydanticConverter)


def test_without_any_defaults_the_queue_is_default_and_the_terms_are_the_jobs():
    router = Router()
    router.actor(greet)
    actor = router.actors["greet"]
    assert (actor.queue, actor.retries, actor.timeout) == ("default", None, None)
    assert actor.retry_policy(1) >= timedelta(seconds=10)


def test_a_prefix_is_put_before_every_name():
    router = Router(prefix="shop.")
    router.actor(greet)
    router.actor(name="hi")(greet_later)
    assert router.topics == {"shop.greet", "shop.hi"}


@pytest.mark.parametrize("prefix", ["1", "a b", "-"])
def test_a_prefix_is_the_beginning_of_a_name(prefix):
    with pytest.raises(ValueError, match="prefix"):
        Router(prefix=prefix)


def test_queues_and_topics_can_be_asked_for():
    router = Router()
    router.actor(queue="mail")(greet)
    router.actor(queue="mail", name="b")(greet_later)
    router.actor(name="c")(greet_later)
    assert router.queues == {"mail", "default"}
    assert router.topics_by_queue == {"mail": {"greet", "b"}, "default": {"c"}}


def test_two_functions_of_one_name_are_refused_and_both_places_are_named():
    router = Router()
    router.actor(greet)
    with pytest.raises(
        ActorConflict, match=r"'greet'.*test_router\.greet.*test_router\.greet_later"
    ):
        router.actor(name="greet")(greet_later)
    assert router.actors["greet"].fn is greet


def test_including_a_router_takes_in_its_actors_under_their_names():
    outer, inner = Router(prefix="outer."), Router(prefix="inner.")
    inner.actor(greet)
    outer.include_router(inner)
    outer.include_router(inner)
    assert outer.topics == {"inner.greet"}
    assert outer.actors["inner.greet"] is inner.actors["inner.greet"]


def test_including_a_router_with_another_function_of_one_name_is_refused():
    one, other = Router(), Router()
    one.actor(name="same")(greet)
    other.actor(name="same")(greet_later)
    with pytest.raises(ActorConflict):
        one.include_router(other)


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize("fn", [generator, async_generator])
def test_generators_are_refused(fn):
    with pytest.raises(ConfigurationError, match=f"{fn.__name__} is a generator"):
        Router().actor(fn)


@pytest.mark.parametrize("thing", [Router, 5, "greet", Router()])
def test_what_is_no_function_is_refused(thing):
    with pytest.raises(ConfigurationError, match="registers functions"):
        Router().actor(thing)


@pytest.mark.parametrize(
    "terms",
    [
        {"timeout": timedelta(milliseconds=999)},
        {"timeout": timedelta(0)},
        {"timeout": timedelta(seconds=-5)},
        {"timeout": 5},
        {"timeout": 0},
        {"retries": -1},
        {"retries": 1.5},
        {"retries": "3"},
        {"retries": True},
        {"queue": "no queue"},
        {"queue": ""},
        {"name": "no name"},
    ],
    ids=repr,
)
def test_a_wrong_term_is_refused_at_registration_and_nothing_is_registered(terms):
    router = Router()
    with pytest.raises(ConfigurationError, match=next(iter(terms))):
        router.actor(**terms)(greet)
    assert router.actors == {}


def test_an_unknown_term_is_refused():
    with pytest.raises(TypeError, match="colour"):
        Router().actor(colour="blue")(greet)  # type: ignore[call-overload]  # the mistake


def test_a_job_can_be_made_of_the_function_itself():
    router = Router()

    @router.actor(name="by-function", queue="mail")
    def fn(): ...

    job = Job(fn, connection=in_memory())
    assert (job.name, job.queue.name) == ("by-function", "mail")


def test_a_function_under_two_names_cannot_say_which_is_meant():
    router = Router()

    def fn(): ...

    router.actor(name="one")(fn)
    router.actor(name="two")(fn)
    with pytest.raises(InvalidJob, match="one and two"):
        Job(fn, connection=in_memory())
