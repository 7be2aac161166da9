"""A job as the call that it is: its arguments, bound to its actor's signature."""

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django_repid import discovery, showing
from django_repid.core.errors import RepidError
from django_repid.core.serializer import escaped, printable

_SHORT = 24
_LONGEST = 72
_TYPE = 60
_KINDS = inspect.Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One argument. `type_`: as the signature says it, else of the value itself.

    `given`: False for one that the actor's default fills. `known`: whether the actor takes it.
    """

    name: str
    type_: str
    value: Any
    given: bool = True
    known: bool = True
    positional: bool = False


def bound(topic: str, arguments: Mapping[str, Any]) -> list[Bound]:
    """Return arguments without secrets in the order of the signature, then what it lacks."""
    parameters = _parameters(topic)
    defaults = {one.name: _plain(one.default) for one in parameters}
    defaults = showing.hidden(topic, defaults)
    rest = any(one.kind is _KINDS.VAR_KEYWORD for one in parameters)
    found, positional = list[Bound](), True
    for one in parameters:
        if one.kind in (_KINDS.VAR_KEYWORD, _KINDS.VAR_POSITIONAL):
            continue
        given = one.name in arguments
        if not given and one.default is _KINDS.empty:
            positional = False
            continue
        positional = positional and given and one.kind is not _KINDS.KEYWORD_ONLY
        value = arguments[one.name] if given else defaults[one.name]
        type_ = _annotated(one) or _type(value)
        found.append(
            Bound(name=one.name, type_=type_, value=value, given=given, positional=positional)
        )
    names = {one.name for one in found}
    found += [
        Bound(name=name, type_=_type(value), value=value, known=rest or not parameters)
        for name, value in arguments.items()
        if name not in names
    ]
    return found


def is_known(topic: str) -> bool:
    """Whether this process knows the actor."""
    try:
        return discovery.find_actor(topic) is not None
    except RepidError:
        return False


def short(topic: str, arguments: Mapping[str, Any] | None, *, length: int = _LONGEST) -> str:
    """Return a job as a call in one short line; `arguments` None: nothing is to be said of them."""
    if arguments is None:
        return f"{printable(topic)}(…)"
    parts = list[str]()
    for one in bound(topic, arguments):
        if one.given:
            value = _value(one.value)
            parts.append(value if one.positional else f"{printable(one.name)}={value}")
        if sum(map(len, parts)) > length:
            break
    text = ", ".join(parts)
    return f"{printable(topic)}({text[: length - 1]}{'…' if len(text) >= length else ''})"


def as_python(
    topic: str, arguments: Mapping[str, Any], terms: Sequence[tuple[str, Any]] = ()
) -> str:
    """Return the code that enqueues such a job; nothing if it is too long to be copied."""
    lines = [f"Job(\n    {topic!r},"]
    if arguments:
        lines.append(f"    args={dict(arguments)!r},")
    lines += [f"    {name}={value!r}," for name, value in terms]
    text = "\n".join([*lines, ").enqueue_sync()"])
    return escaped(text) if len(text) <= showing.SHOWN else ""


def _parameters(topic: str) -> list[inspect.Parameter]:
    try:
        actor = discovery.find_actor(topic)
        return [] if actor is None else list(inspect.signature(actor.visible).parameters.values())
    except (RepidError, ValueError, TypeError):
        return []


def _annotated(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is _KINDS.empty:
        return ""
    if hasattr(annotation, "__metadata__"):  # of Annotated, what it annotates
        annotation = annotation.__origin__
    return inspect.formatannotation(annotation).replace("typing.", "")[:_TYPE]


def _type(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _plain(value: Any) -> Any:
    """Return a default as JSON has it, or as its text: only ours are looked into for secrets."""
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def _value(value: Any) -> str:
    if isinstance(value, dict | list):
        brackets = "{…}" if isinstance(value, dict) else "[…]"
        return brackets if value else brackets.replace("…", "")
    text = printable(
        json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
    )
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
