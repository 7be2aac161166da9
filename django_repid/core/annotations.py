"""Annotations as objects, also where they are text."""

import inspect
import logging
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

logger = logging.getLogger("django_repid")

_EMPTY = inspect.Signature.empty


def evaluate(annotation: Any, space: dict[str, Any]) -> Any:
    """Return an annotation as it is meant, with text anywhere in it looked up in `space`.

    Raises:
        NameError: it names what cannot be found at run time (also AttributeError).
        Exception: evaluating text can raise anything.

    """
    holder = types.FunctionType((lambda: None).__code__, space)
    holder.__annotations__ = {"it": annotation}
    return typing.get_type_hints(holder, include_extras=True)["it"]


def space_of(thing: Any) -> dict[str, Any]:
    """Return the names that the annotations of a function or a class are looked up in."""
    if isinstance(thing, type):
        return vars(sys.modules.get(thing.__module__, types.ModuleType("nowhere")))
    found: dict[str, Any] = getattr(inspect.unwrap(thing), "__globals__", {})
    return found


def evaluated_signature(fn: Callable[..., Any], *, strictly: bool) -> inspect.Signature:
    """Return the signature of an actor function, its annotations evaluated.

    One that names what cannot be found at run time (what is imported for type checkers only) is
    left out, with a warning: its values pass as JSON has them. `strictly`: anything else that is
    wrong with one is raised; otherwise it is left out too.
    """
    signature = inspect.signature(fn)
    found = [
        one.replace(annotation=_evaluated(fn, f"parameter {one.name!r}", one.annotation, strictly))
        for one in signature.parameters.values()
    ]
    result = _evaluated(fn, "the result", signature.return_annotation, strictly)
    return signature.replace(parameters=found, return_annotation=result)


def hints_of(cls: type) -> dict[str, Any]:
    """Return the annotations of a class by name; `Any` for one that cannot be evaluated."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating an annotation can raise anything
        return {
            name: _or_any(annotation, base)
            for base in reversed(cls.__mro__)
            for name, annotation in inspect.get_annotations(base).items()
        }


def _or_any(annotation: Any, cls: type) -> Any:
    try:
        return evaluate(annotation, space_of(cls))
    except Exception:  # noqa: BLE001 - as above
        return Any


def _evaluated(fn: Callable[..., Any], what: str, annotation: Any, strictly: bool) -> Any:
    if annotation is _EMPTY or annotation is None:
        return annotation
    try:
        return evaluate(annotation, space_of(fn))
    except Exception as error:
        if strictly and not isinstance(error, NameError | AttributeError):
            raise
        logger.warning(
            "The annotation of %s of actor function %s cannot be evaluated at run time (%s): "
            "values pass as JSON has them.",
            what,
            fn.__qualname__,
            error,
        )
        return _EMPTY
