"""From serialized arguments to an actor's parameters, and from what it returns to text."""

import inspect
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from django_repid.core.annotations import evaluated_signature
from django_repid.core.arguments import Arguments, load_object, serialize_result
from django_repid.core.config import Config
from django_repid.core.errors import ArgsInvalid, ConfigurationError
from django_repid.core.reading import reader_of
from django_repid.core.redaction import Secrets, readable_place
from django_repid.core.scalars import Misfit

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
    """Maps names to parameters, and values to the types that JSON lacks.

    Dates, times, timedeltas, Decimal, UUID, enums, sets, tuples and dataclasses are read as the
    annotations ask, also inside lists, dicts and unions. What JSON has itself stays as it is.
    Names that the signature lacks go into `**kwargs`, or else their values into `*args`; where it
    has neither, they are an error, as a missing argument is.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        parameters = evaluated_signature(fn, strictly=False).parameters.values()
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
        readers = {p.name: reader_of(p.annotation) for p in named}
        self._readers = {name: read for name, read in readers.items() if read is not None}
        # Where a signature has *args and **kwargs, the latter take the rest.
        variable = kinds.VAR_KEYWORD if self._takes_kwargs else kinds.VAR_POSITIONAL
        self._read_rest = next(
            (reader_of(p.annotation) for p in parameters if p.kind is variable), None
        )
        self._reads = bool(self._readers) or self._read_rest is not None
        self._secrets = Secrets.of(fn)

    def convert_inputs(self, data: str) -> Arguments:
        """See `ConverterT`."""
        loaded = load_object(data)
        if missing := self._required - loaded.keys():
            self._refuse("missing", missing)
        unknown = loaded.keys() - self._names
        if unknown and not (self._takes_kwargs or self._spreads):
            self._refuse("unknown", unknown)
        if self._reads:
            self._read(loaded, unknown)
        if not self._positional and not self._spreads:
            return [], loaded
        args = [loaded.pop(p.name, p.default) for p in self._positional]
        if self._spreads:
            args += [loaded.pop(name) for name in list(loaded) if name in unknown]
        return args, loaded

    def convert_outputs(self, data: Any) -> str:
        """See `ConverterT`."""
        return serialize_result(data)

    def _read(self, loaded: dict[str, Any], rest: set[str]) -> None:
        """Turn what was decoded into what the annotations ask for."""
        readers = self._readers
        if self._read_rest is not None and rest:
            readers = {**readers, **dict.fromkeys(rest, self._read_rest)}
        for name, read in readers.items():
            if name not in loaded:
                continue
            try:
                loaded[name] = read(loaded[name])
            except Misfit as misfit:
                place = (name, *misfit.place)
                where, _ = readable_place(place, Config.SECRET_ARGUMENTS, self._secrets)
                message = f"The arguments do not fit the actor: {where}: {misfit}."
                raise ArgsInvalid(message) from None
            except RecursionError:
                message = f"The arguments do not fit the actor: {name}: nested too deeply."
                raise ArgsInvalid(message) from None

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
