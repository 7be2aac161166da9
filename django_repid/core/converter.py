"""From serialized arguments to an actor's parameters, and from what it returns to text."""

import inspect
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from django_repid.core.arguments import Arguments, load_object, serialize_result
from django_repid.core.config import Config
from django_repid.core.errors import ArgsInvalid, ConfigurationError

try:
    from django_repid.core.pydantic_converter import PydanticConverter
except ImportError:  # pydantic is an extra

    class PydanticConverter:  # type: ignore[no-redef]  # it stands in
        """Stands in where pydantic is not installed."""

        def __init__(self, fn: Callable[..., Any]) -> None:
            message = "PydanticConverter needs pydantic: pip install 'django-repid[pydantic]'."
            raise ConfigurationError(message)

    HAS_PYDANTIC = False
else:
    HAS_PYDANTIC = True


class ConverterT(Protocol):
    """Made once per actor, at its registration; used from any thread."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        """Read the signature of `fn`."""

    def convert_inputs(self, data: str) -> Arguments:
        """Return positional and keyword arguments. `data` is JSON text; "" means none.

        Raises:
            ArgsInvalid: the text is no JSON object, or does not fit the signature.

        """

    def convert_outputs(self, data: Any) -> str:
        """Return what the actor returned as text.

        Raises:
            ResultInvalid: it has no form in JSON.

        """


class BasicConverter:
    """Maps names to parameters and leaves values as JSON gave them.

    Names that the signature lacks go into `**kwargs`, or else their values into `*args`; where it
    has neither, they are an error, as a missing argument is.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        parameters = inspect.signature(fn).parameters.values()
        kinds = inspect.Parameter
        self._takes_kwargs = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        takes_args = any(p.kind is kinds.VAR_POSITIONAL for p in parameters)
        self._spreads = takes_args and not self._takes_kwargs
        # With *args whatever stands before it must be passed by position too.
        also = kinds.POSITIONAL_OR_KEYWORD if self._spreads else kinds.POSITIONAL_ONLY
        by_position = {kinds.POSITIONAL_ONLY, also}
        self._positional = [p for p in parameters if p.kind in by_position]
        named = [p for p in parameters if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)]
        self._names = frozenset(p.name for p in named)
        self._required = frozenset(p.name for p in named if p.default is kinds.empty)

    def convert_inputs(self, data: str) -> Arguments:
        """See `ConverterT`."""
        loaded = load_object(data)
        if missing := self._required - loaded.keys():
            self._refuse("missing", missing)
        unknown = loaded.keys() - self._names
        if unknown and not (self._takes_kwargs or self._spreads):
            self._refuse("unknown", unknown)
        if not self._positional and not self._spreads:
            return [], loaded
        args = [loaded.pop(p.name, p.default) for p in self._positional]
        if self._spreads:
            args += [loaded.pop(name) for name in list(loaded) if name in unknown]
        return args, loaded

    def convert_outputs(self, data: Any) -> str:
        """See `ConverterT`."""
        return serialize_result(data)

    def _refuse(self, what: str, names: set[str] | frozenset[str]) -> NoReturn:
        listed = ", ".join(sorted(names))
        message = f"The arguments do not fit the actor: {what}: {listed}."
        raise ArgsInvalid(message)


class DefaultConverter:
    """`Config.CONVERTER` if set, else pydantic's where it is installed, else the basic one."""

    def __new__(cls, fn: Callable[..., Any]) -> ConverterT:  # type: ignore[misc]  # a factory
        if Config.CONVERTER is not None:
            chosen: ConverterT = Config.CONVERTER(fn)
            return chosen
        return PydanticConverter(fn) if HAS_PYDANTIC else BasicConverter(fn)


__all__ = [
    "HAS_PYDANTIC",
    "BasicConverter",
    "ConverterT",
    "DefaultConverter",
    "PydanticConverter",
]
