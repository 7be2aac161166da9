"""From actor functions and calls of them to what a job holds."""

import inspect
from typing import Any

from django_repid.core.actor import Actor
from django_repid.core.errors import InvalidJob
from django_repid.core.names import check_actor_name
from django_repid.core.router import actors_of


def identify(name: Any) -> tuple[Actor | None, str]:
    """Return the actor behind a function, or None, and the name."""
    if not callable(name):
        return None, check_actor_name(name)
    found = {actor.name: actor for actor in actors_of(name)}
    if len(found) != 1:
        known = " and ".join(sorted(found)) or "nothing"
        message = (
            f"The function {getattr(name, '__qualname__', name)!r} is registered as {known}. "
            "Pass a function that @router.actor has registered once, or the actor's name."
        )
        raise InvalidJob(message)
    return next((actor, actor.name) for actor in found.values())


def bind(actor: Actor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by parameter name, as they travel."""
    _refuse_injected(actor, args, kwargs)
    fn = actor.visible
    signature = inspect.signature(fn)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        message = f"The arguments do not fit {fn.__qualname__}{signature}: {error}."
        raise InvalidJob(message) from error
    by_name: dict[str, Any] = {}
    count = 0
    kinds = {p.kind for p in signature.parameters.values()}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            part = value
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            part = {f"{name}_{place}": one for place, one in enumerate(value)}
            if part and inspect.Parameter.VAR_KEYWORD in kinds:
                message = f"{fn.__qualname__} takes *{name} beside **: what is whose cannot travel."
                raise InvalidJob(message)
        else:
            part = {name: value}
        by_name.update(part)
        count += len(part)
    if len(by_name) < count:
        message = (
            f"Two arguments of {fn.__qualname__} have one name, so they cannot travel by name."
        )
        raise InvalidJob(message)
    return by_name


def _refuse_injected(actor: Actor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise if a call gives what a worker will fill in."""
    if actor.injection is None:
        return
    by_name = inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(actor.fn).parameters.values()
    given = {one.name for one in [p for p in parameters if p.kind is not by_name][: len(args)]}
    for name in actor.injection.sources:
        if name in given or name in kwargs:
            message = (
                f"{name!r} of {actor.fn.__qualname__} is filled in by the worker: leave it out, "
                "and pass what stands behind it by name."
            )
            raise InvalidJob(message)
