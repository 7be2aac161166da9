"""Dependencies: what a worker makes for an actor's parameters, and the signature without them."""

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from django_repid.core.errors import ConfigurationError
from django_repid.core.message_dependency import MessageDependency
from django_repid.core.provider import Provider, body
from django_repid.core.redaction import evaluated

_KINDS = inspect.Parameter
_VARIADIC = (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)


class _Injected:
    """Stands for what a worker makes; see `INJECTED`."""

    __name__ = "INJECTED"

    def __repr__(self) -> str:
        return "INJECTED"


#: The default of a parameter that a worker fills, for calls that leave it out: `Job.of(actor, …)`.
INJECTED: Final[Any] = _Injected()


class Depends:
    """What a worker calls to make a parameter's value: `Annotated[str, Depends(fn)]`.

    `fn` is sync or async, and its own parameters are dependencies too, or have defaults. It is
    called once for each run of a job, however many ask for it. Of an async actor a sync one is
    called on the thread of the job's ORM calls; with `run_in_process` in another process, which
    must be able to import it by its name, and its value travels back as a pickle.

    Raises:
        ConfigurationError: it is no function, a generator, or cannot run in another process.

    """

    __slots__ = ("_provider",)

    def __init__(self, fn: Callable[..., Any], *, run_in_process: bool = False) -> None:
        self._provider = Provider.of(fn, run_in_process=run_in_process)

    def __repr__(self) -> str:
        return f"Depends({self._provider.place})"

    @property
    def provider(self) -> Provider:
        """What is called at this moment."""
        return self._provider

    def override(self, fn: Callable[..., Any], *, run_in_process: bool = False) -> None:
        """Call another function from now on, in every actor that has this very object: for tests.

        Raises:
            ConfigurationError: as where it is made, or its own dependencies are wrong. Then nothing
                is changed.

        """
        before, self._provider = self._provider, Provider.of(fn, run_in_process=run_in_process)
        try:
            check(self)
        except ConfigurationError:
            self._provider = before
            raise


#: What fills a parameter: a function's value, or the message itself.
Source = Depends | type[MessageDependency]


@dataclass(frozen=True, slots=True)
class Injection:
    """The parameters of an actor that a worker fills. `visible`: the function without them.

    It is there to be looked at, by converters and by `Job.of`; nobody calls it.
    """

    sources: Mapping[str, Source]
    visible: Callable[..., Any]

    @classmethod
    def of(cls, fn: Callable[..., Any]) -> "Injection | None":
        """Return what a worker fills of an actor function; None if nothing.

        Raises:
            ConfigurationError: a dependency, or one of its own, is wrong.

        """
        parameters = _parameters(fn)
        sources = dict(_sources(fn, parameters))
        if not sources:
            return None
        _check_places(fn, parameters, sources)
        for source in sources.values():
            if isinstance(source, Depends):
                check(source)
        return cls(sources, _without(fn, parameters, sources))


def inputs(provider: Provider) -> Mapping[str, Source]:
    """Return what fills the parameters of a dependency's function.

    Raises:
        ConfigurationError: one of them is neither a dependency nor has a default.

    """
    found: Mapping[str, Source] | None = provider.inputs
    if found is None:
        parameters = _parameters(provider.fn)
        found = dict(_sources(provider.fn, parameters))
        _check_inputs(provider, parameters, found)
        provider.inputs = found
    return found


def check(depends: Depends, way: tuple[Any, ...] = ()) -> None:
    """Look at a dependency and all that it depends on. `way`: those that led here.

    Raises:
        ConfigurationError: one of them is wrong, or depends on itself.

    """
    provider = depends.provider
    if provider.key in way:
        message = f"The dependency {provider.place} depends on itself, by way of others or not."
        raise ConfigurationError(message)
    for source in inputs(provider).values():
        if isinstance(source, Depends):
            check(source, (*way, provider.key))


def _check_inputs(
    provider: Provider, parameters: list[inspect.Parameter], sources: Mapping[str, Source]
) -> None:
    for one in parameters:
        if one.name in sources:
            _check_place(provider.place, one)
        elif one.default is _KINDS.empty and one.kind not in _VARIADIC:
            message = (
                f"The dependency {provider.place} takes {one.name!r}, which nobody fills: give it "
                "a default, or annotate it with a dependency of its own."
            )
            raise ConfigurationError(message)
    if provider.run_in_process and any(one is MessageDependency for one in sources.values()):
        message = (
            f"The dependency {provider.place} runs in another process, where the message cannot go."
        )
        raise ConfigurationError(message)


def _check_places(
    fn: Callable[..., Any], parameters: list[inspect.Parameter], sources: Mapping[str, Source]
) -> None:
    spreads = any(one.kind is _KINDS.VAR_POSITIONAL for one in parameters)
    for one in parameters:
        if one.name not in sources:
            continue
        _check_place(fn.__qualname__, one)
        if spreads and one.kind is not _KINDS.KEYWORD_ONLY:
            message = (
                f"{fn.__qualname__} takes *args, so what stands before them is passed by position. "
                f"Put the dependency {one.name!r} behind them."
            )
            raise ConfigurationError(message)


def _check_place(place: str, one: inspect.Parameter) -> None:
    if one.kind in _VARIADIC or one.kind is _KINDS.POSITIONAL_ONLY:
        message = (
            f"{place}: the dependency {one.name!r} is passed by name, so it can be neither "
            "positional-only nor * or **."
        )
        raise ConfigurationError(message)


def _parameters(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function, with annotations that were postponed evaluated."""
    try:
        signature = inspect.signature(fn)
    except ValueError:  # a builtin that does not say
        return []
    inner = body(fn)
    inner = inner.__init__ if inspect.isclass(inner) else inner
    return [
        one.replace(annotation=evaluated(one.annotation, inner))
        for one in signature.parameters.values()
    ]


def _sources(
    fn: Callable[..., Any], parameters: list[inspect.Parameter]
) -> Iterator[tuple[str, Source]]:
    for one in parameters:
        source = _source(fn, one)
        if source is not None:
            yield one.name, source


def _source(fn: Callable[..., Any], one: inspect.Parameter) -> Source | None:
    """Return what fills a parameter; None if the job's arguments do.

    Raises:
        ConfigurationError: it looks as if a worker were to fill it, and it cannot.

    """
    where = f"Parameter {one.name!r} of {getattr(fn, '__qualname__', fn)}"
    annotation = _plain(one.annotation)
    found = [extra for extra in getattr(annotation, "__metadata__", ()) if _is_depends(extra)]
    inner = _plain(typing.get_args(annotation)[0]) if _is_annotated(annotation) else annotation
    if inner is MessageDependency and not found:
        return MessageDependency
    if len(found) == 1 and found[0] is not Depends and inner is not MessageDependency:
        depends: Depends = found[0]
        return depends
    if found:
        message = f"{where}: annotate it with one dependency, as Annotated[str, Depends(fn)]."
    elif isinstance(one.default, Depends):
        message = f"{where}: Depends is no default: annotate it, as Annotated[str, Depends(fn)]."
    elif one.default is INJECTED:
        message = f"{where} has the default INJECTED, but its annotation names no dependency."
    elif MessageDependency in typing.get_args(inner):
        message = f"{where}: annotate it with MessageDependency alone; it is always there."
    elif isinstance(annotation, str) and _speaks_of_dependencies(annotation):
        message = (
            f"{where}: {annotation!r} cannot be evaluated. What it names must be importable at run "
            "time, not only under TYPE_CHECKING."
        )
    else:
        return None
    raise ConfigurationError(message)


def _is_depends(extra: Any) -> bool:
    return isinstance(extra, Depends) or extra is Depends


def _is_annotated(annotation: Any) -> bool:
    return typing.get_origin(annotation) is Annotated


def _plain(annotation: Any) -> Any:
    """Return what a `type X = …` stands for."""
    while (aliased := getattr(annotation, "__value__", None)) is not None:
        annotation = aliased
    return annotation


def _speaks_of_dependencies(text: str) -> bool:
    return "Depends(" in text or "MessageDependency" in text


def _without(
    fn: Callable[..., Any], parameters: list[inspect.Parameter], sources: Mapping[str, Source]
) -> Callable[..., Any]:
    """Return what looks like a function, without some of its parameters."""
    kept = [one for one in parameters if one.name not in sources]
    returned = evaluated(inspect.signature(fn).return_annotation, fn)
    returned = None if returned is type(None) else returned  # as it is written
    for what, annotation in [*((one.name, one.annotation) for one in kept), ("return", returned)]:
        if isinstance(annotation, str):
            message = (
                f"{fn.__qualname__} has dependencies, so all its annotations are read, and that of "
                f"{what!r} cannot be evaluated: {annotation!r}."
            )
            raise ConfigurationError(message)

    @functools.wraps(fn)
    def visible(*_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError

    del visible.__wrapped__  # who unwraps it would see the others
    seen: Any = visible
    seen.__signature__ = inspect.Signature(kept, return_annotation=returned)
    seen.__annotations__ = {one.name: one.annotation for one in kept} | {"return": returned}
    return visible
