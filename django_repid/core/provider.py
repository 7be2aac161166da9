"""The function behind a dependency."""

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction

from django_repid.core.errors import ConfigurationError


class Provider:
    """A function that makes the value of a dependency.

    `key` is equal for what is called once for all who ask. `inputs`: what fills its own parameters,
    once somebody has looked.
    """

    __slots__ = ("fn", "inputs", "is_async", "key", "run_in_process")

    def __init__(self, fn: Callable[..., Any], *, is_async: bool, run_in_process: bool) -> None:
        self.fn = fn
        self.is_async = is_async
        self.run_in_process = run_in_process
        self.key = _key(fn)
        self.inputs: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, fn: Any, *, run_in_process: bool) -> "Provider":
        """Return a function as a provider.

        Raises:
            ConfigurationError: it is none, a generator, or cannot run in another process.

        """
        if not callable(fn):
            message = f"Depends takes a function that makes the value, not {fn!r}."
            raise ConfigurationError(message)
        run = body(fn)
        if inspect.isgeneratorfunction(run) or inspect.isasyncgenfunction(run):
            message = (
                f"The dependency {_place(fn)} is a generator: it returns its value, and nothing is "
                "run after the actor."
            )
            raise ConfigurationError(message)
        is_async = iscoroutinefunction(run)
        if run_in_process:
            _check_importable(fn, is_async=is_async)
        return cls(fn, is_async=is_async, run_in_process=run_in_process)

    @property
    def place(self) -> str:
        """What to call it, for messages to people."""
        return _place(self.fn)


def body(fn: Any) -> Any:
    """Return what is run by a call: a callable object's method, the function behind a partial."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.isroutine(fn) or inspect.isclass(fn):
        return fn
    return fn.__call__


def _place(fn: Any) -> str:
    name = getattr(fn, "__qualname__", None)
    return repr(fn) if name is None else f"{getattr(fn, '__module__', '?')}.{name}"


def _key(fn: Any) -> Any:
    try:
        hash(fn)
    except TypeError:
        return id(fn)
    return fn


def _check_importable(fn: Any, *, is_async: bool) -> None:
    if is_async:
        message = f"The dependency {_place(fn)} is async; run_in_process is for sync functions."
        raise ConfigurationError(message)
    found: Any = sys.modules.get(getattr(fn, "__module__", None) or "")
    if found is not None and found.__name__ == "__main__" and not hasattr(found, "__file__"):
        found = None  # typed in, or given by -c: another process has it not
    for part in getattr(fn, "__qualname__", "<nameless>").split("."):
        found = getattr(found, part, None)
    if found is not fn:
        message = (
            f"The dependency {_place(fn)} is to run in another process, which cannot import it by "
            "that name: make it a function of a module."
        )
        raise ConfigurationError(message)
