"""Routers: where functions are registered as actors."""

import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta, tzinfo
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

from django_repid.core.actor import Actor
from django_repid.core.converter import ConverterT, DefaultConverter
from django_repid.core.depends import Injection
from django_repid.core.errors import ActorConflict, ConfigurationError, InvalidJob
from django_repid.core.names import check_actor_name, check_queue_name
from django_repid.core.retry import RetryPolicyT, checked_policy, default_retry_policy_factory
from django_repid.core.retryable import ClassesGiven, checked
from django_repid.core.terms import check_recurrence

F = TypeVar("F", bound=Callable[..., Any])
ConverterFactory = Callable[[Callable[..., Any]], ConverterT]

_MINIMUM_TIMEOUT = timedelta(seconds=1)

# So that `Job(function)` works although the decorator hands the function back unchanged.
_actors_of: WeakKeyDictionary[Callable[..., Any], list[Actor]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class RouterDefaults:
    """What the actors of a router get unless they say otherwise."""

    queue: str = "default"
    retry_policy: RetryPolicyT = field(default_factory=default_retry_policy_factory)
    converter: ConverterFactory = DefaultConverter
    timeout: timedelta | None = None
    retries: int | None = None
    retry_on: ClassesGiven | None = None
    give_up_on: ClassesGiven | None = None
    run_in_process: bool = False

    def __post_init__(self) -> None:
        checked_policy(self.retry_policy)
        _check_timeout(self.timeout)
        _check_retries(self.retries)
        checked(self.retry_on, self.give_up_on)


class Router:
    """A set of actors. `prefix` is put before the name of every actor that it registers."""

    def __init__(self, *, prefix: str = "", defaults: RouterDefaults | None = None) -> None:
        if prefix:
            check_actor_name(prefix, "prefix")
        self.prefix = prefix
        self.defaults = defaults or RouterDefaults()
        self.actors: dict[str, Actor] = {}

    @property
    def topics(self) -> frozenset[str]:
        """The names of its actors."""
        return frozenset(self.actors)

    @property
    def queues(self) -> frozenset[str]:
        """The queues that its actors name."""
        return frozenset(actor.queue for actor in self.actors.values())

    @property
    def topics_by_queue(self) -> dict[str, set[str]]:
        """The names of its actors by the queue they name."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for actor in self.actors.values():
            found[actor.queue].add(actor.name)
        return dict(found)

    def include_router(self, router: "Router") -> None:
        """Take in the actors of another router, under the names they have there.

        Raises:
            ActorConflict: one of them has the name of a different function here.

        """
        for actor in router.actors.values():
            self._add(actor)

    @overload
    def actor(self, fn: F, /) -> F: ...

    @overload
    def actor(
        self,
        fn: None = None,
        /,
        *,
        name: str | None = None,
        queue: str | None = None,
        retry_policy: RetryPolicyT | None = None,
        converter: ConverterFactory | None = None,
        timeout: timedelta | None = None,
        retries: int | None = None,
        retry_on: ClassesGiven | None = None,
        give_up_on: ClassesGiven | None = None,
        atomic: bool = False,
        deferred_by: timedelta | None = None,
        cron: str | None = None,
        timezone: str | tzinfo | None = None,
        run_in_process: bool | None = None,
    ) -> Callable[[F], F]: ...

    def actor(self, fn: F | None = None, /, **terms: Any) -> F | Callable[[F], F]:
        """Register a function as an actor, and return it unchanged.

        Used bare or with terms: `name` (the function's), `queue`, `retry_policy`, `converter`,
        `timeout`, `retries`, `retry_on`, `give_up_on` and `run_in_process` (the router's defaults),
        `atomic`. A function `async def` runs on the worker's event loop, any other on one of its
        threads.

        `retry_on`: exceptions, one class or several; any other fails for good at once.
        `give_up_on`: these fail for good at once, whatever tries are left and `retry_on` says.

        With `atomic=True` a sync actor runs in one transaction with the settlement of its job: what
        it writes to that database, the job's end and its result are there together or not at all,
        whatever is killed and when. For seconds, not minutes; see `docs/howto/exactly-once.md`.

        `cron` (with `timezone`) or `deferred_by` declare a schedule, as those of a `Job` do: the
        workers that know the actor see to one recurring job under its name, without arguments. It
        ends when no live worker declares it any more, or when it is cancelled.

        With `run_in_process=True` a sync actor runs in a child process of the worker's: it takes no
        CPU from other jobs, and its timeout kills it. As a router's default it holds for the sync
        actors of a module. See `docs/howto/processes.md`.

        Raises:
            ActorConflict: the router has another function of that name.
            ConfigurationError: a term or a dependency is wrong, or the converter cannot read the
                signature.

        """
        if fn is None:
            return lambda function: self._register(function, **terms)
        return self._register(fn, **terms)

    def _register(
        self,
        fn: F,
        *,
        name: str | None = None,
        queue: str | None = None,
        converter: ConverterFactory | None = None,
        **terms: Any,
    ) -> F:
        defaults = self.defaults
        _check_function(fn)
        queue = defaults.queue if queue is None else queue
        full_name = self.prefix + (fn.__name__ if name is None else name)
        try:
            check_queue_name(queue)
            check_actor_name(full_name, "actor name")
        except InvalidJob as error:
            raise ConfigurationError(str(error)) from error
        injection = Injection.of(fn)
        actor = Actor(
            fn=fn,
            name=full_name,
            queue=queue,
            converter=(converter or defaults.converter)(injection.visible if injection else fn),
            injection=injection,
            **_checked_terms(fn, defaults, **terms),
        )
        self._add(actor)
        _actors_of.setdefault(fn, []).append(actor)
        return fn

    def _add(self, actor: Actor) -> None:
        known = self.actors.setdefault(actor.name, actor)
        if known.fn is not actor.fn:
            raise conflict(known, actor)


def conflict(one: Actor, other: Actor) -> ActorConflict:
    """Return the error that says which two functions claim one name."""
    return ActorConflict(
        f"Two actors are called {one.name!r}: {one.place} and {other.place}. Rename one with "
        "@router.actor(name=…), or give its router a prefix."
    )


def actors_of(fn: Callable[..., Any]) -> list[Actor]:
    """Return what a function is registered as, in this process."""
    try:
        return _actors_of.get(fn, [])
    except TypeError:  # no function, and nothing that can be looked up
        return []


def _checked_terms(
    fn: Callable[..., Any],
    defaults: RouterDefaults,
    *,
    retry_policy: RetryPolicyT | None = None,
    timeout: timedelta | None = None,
    retries: int | None = None,
    retry_on: ClassesGiven | None = None,
    give_up_on: ClassesGiven | None = None,
    atomic: bool = False,
    deferred_by: timedelta | None = None,
    cron: str | None = None,
    timezone: str | tzinfo | None = None,
    run_in_process: bool | None = None,
) -> dict[str, Any]:
    """Return the terms of an actor's jobs, checked, by the names of `Actor`'s fields."""
    try:
        schedule = check_recurrence(deferred_by, cron, timezone)
    except InvalidJob as error:
        raise ConfigurationError(str(error)) from error
    policy = defaults.retry_policy if retry_policy is None else retry_policy
    return {
        "retry_policy": checked_policy(policy),
        "timeout": _check_timeout(defaults.timeout if timeout is None else timeout),
        "retries": _check_retries(defaults.retries if retries is None else retries),
        "retryable": checked(
            defaults.retry_on if retry_on is None else retry_on,
            defaults.give_up_on if give_up_on is None else give_up_on,
        ),
        "atomic": _check_atomic(fn, atomic),
        "schedule": None if schedule is None else replace(schedule, declared=True),
        "run_in_process": _check_process(fn, run_in_process, defaults.run_in_process),
    }


def _check_function(fn: Any) -> None:
    if not inspect.isroutine(fn):
        message = f"@router.actor registers functions, not {fn!r}."
        raise ConfigurationError(message)
    if inspect.isasyncgenfunction(fn) or inspect.isgeneratorfunction(fn):
        message = f"{fn.__qualname__} is a generator: an actor returns its result."
        raise ConfigurationError(message)


def _check_atomic(fn: Any, atomic: bool) -> bool:
    if atomic and inspect.iscoroutinefunction(fn):
        message = (
            f"{fn.__qualname__} is async, and Django's transactions are not: atomic=True is for "
            "sync actors."
        )
        raise ConfigurationError(message)
    return atomic


def _check_process(fn: Any, asked: Any, default: bool) -> bool:
    is_async = inspect.iscoroutinefunction(fn)
    if asked is None:
        asked = default and not is_async
    if not isinstance(asked, bool):
        message = f"run_in_process must be True or False, not {asked!r}."
        raise ConfigurationError(message)
    if asked and is_async:
        message = (
            f"{fn.__qualname__} is async, and runs on the worker's event loop: "
            "run_in_process=True is for sync actors."
        )
        raise ConfigurationError(message)
    if asked and "<locals>" in fn.__qualname__:
        message = (
            f"{fn.__qualname__} is made inside another function, where no other process finds it: "
            "run_in_process=True is for functions of a module."
        )
        raise ConfigurationError(message)
    return asked


def _check_timeout(timeout: timedelta | None) -> timedelta | None:
    if timeout is not None and (not isinstance(timeout, timedelta) or timeout < _MINIMUM_TIMEOUT):
        message = f"timeout must be a timedelta of at least one second, not {timeout!r}."
        raise ConfigurationError(message)
    return timeout


def _check_retries(retries: int | None) -> int | None:
    if retries is not None and (type(retries) is not int or retries < 0):
        message = f"retries must be an int of at least 0, not {retries!r}."
        raise ConfigurationError(message)
    return retries
