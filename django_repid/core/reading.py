"""From decoded JSON to what annotations ask for, without pydantic: the serializer's way back.

What a reader is for is decided once, when an actor is registered. An annotation that asks for
nothing but what JSON gives has none (None), and costs nothing.
"""

import dataclasses
import enum
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from django_repid.core.annotations import hints_of
from django_repid.core.scalars import Misfit, Reader, from_text, is_number, scalar_of

Seen = dict[Any, "_Later"]


class _Later:
    """Stands for a reader that is still being made: types may contain themselves."""

    __slots__ = ("read",)

    def __init__(self) -> None:
        self.read: Reader = lambda value: value

    def __call__(self, value: Any) -> Any:
        return self.read(value)


def reader_of(annotation: Any) -> Reader | None:
    """Return what turns decoded JSON into what an annotation asks for; None: it is that already.

    An annotation that cannot be understood has none: its values pass as JSON has them.
    """
    try:
        return _reader(annotation, {})
    except Exception:  # noqa: BLE001 - metaclasses and lazy aliases are somebody's code
        return None


def _reader(annotation: Any, seen: Seen) -> Reader | None:
    annotation = _bare(annotation)
    if not isinstance(annotation, type) and hasattr(annotation, "__value__"):  # `type X = …`
        return _once(annotation, seen, lambda: _reader(annotation.__value__, seen))
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, seen)
    kind = origin or annotation
    if not isinstance(kind, type):
        return None
    generic = _GENERICS.get(kind)
    return _of_class(kind, seen) if generic is None else generic(arguments, seen)


def _bare(annotation: Any) -> Any:
    """Return an annotation without what qualifies it, and what a `NewType` stands for."""
    while not isinstance(annotation, type):
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif typing.get_origin(annotation) in (typing.Required, typing.NotRequired):
            (annotation,) = typing.get_args(annotation)
        else:
            break
    return annotation


def _of_class(kind: type, seen: Seen) -> Reader | None:
    if (scalar := scalar_of(kind)) is not None:
        return scalar
    if dataclasses.is_dataclass(kind):
        return _once(kind, seen, lambda: _dataclass(kind, seen))
    if typing.is_typeddict(kind):
        return _once(kind, seen, lambda: _typed_dict(kind, seen))
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _once(kind, seen, lambda: _named_tuple(kind, seen))
    return None


def _once(key: Any, seen: Seen, make: Callable[[], Reader | None]) -> Reader | None:
    if key in seen:
        return seen[key]
    later = seen[key] = _Later()
    made = make()
    if made is not None:
        later.read = made
    return made


# ---------------------------------------------------------------------------------- containers


def _inner(place: str, read: Reader, value: Any) -> Any:
    try:
        return read(value)
    except Misfit as misfit:
        raise Misfit(str(misfit), (place, *misfit.place)) from None


def _items(value: Any, read: Reader | None) -> list[Any]:
    if not isinstance(value, list):
        text = "must be a list"
        raise Misfit(text)
    if read is None:
        return value
    return [_inner(str(place), read, one) for place, one in enumerate(value)]


def _list(arguments: tuple[Any, ...], seen: Seen) -> Reader | None:
    inner = _reader(arguments[0], seen) if arguments else None
    return None if inner is None else lambda value: _items(value, inner)


def _set(make: Callable[[Any], Any], arguments: tuple[Any, ...], seen: Seen) -> Reader:
    inner = _reader(arguments[0], seen) if arguments else None

    def read(value: Any) -> Any:
        try:
            return make(_items(value, inner))
        except TypeError:
            text = "must be a list of what can be in a set"
            raise Misfit(text) from None

    return read


def _tuple(arguments: tuple[Any, ...], seen: Seen) -> Reader:
    if not arguments or arguments[-1] is Ellipsis:
        inner = _reader(arguments[0], seen) if arguments else None
        return lambda value: tuple(_items(value, inner))
    return _row(tuple, dict.fromkeys(range(len(arguments))), arguments, seen)


def _named_tuple(cls: Any, seen: Seen) -> Reader:
    hints = hints_of(cls)
    return _row(cls._make, cls._fields, [hints.get(name, Any) for name in cls._fields], seen)


def _row(
    make: Callable[[Any], Any], names: abc.Iterable[Any], items: abc.Iterable[Any], seen: Seen
) -> Reader:
    inner = [(str(name), _reader(item, seen)) for name, item in zip(names, items, strict=True)]

    def read(value: Any) -> Any:
        values = _items(value, None)
        if len(values) != len(inner):
            text = f"must be a list of {len(inner)}"
            raise Misfit(text)
        pairs = zip(inner, values, strict=True)
        return make([v if r is None else _inner(name, r, v) for (name, r), v in pairs])

    return read


#: How JSON writes keys that are no text.
_KEYS: Mapping[Any, Reader] = {
    int: from_text(int, "must be an int"),
    float: from_text(float, "must be a number"),
    bool: from_text(lambda text: ("false", "true").index(text) == 1, "must be a bool"),
}


def _mapping(arguments: tuple[Any, ...], seen: Seen) -> Reader | None:
    key, item = arguments or (Any, Any)
    keys, inner = _key_reader(key, seen), _reader(item, seen)
    if keys is None and inner is None:
        return None

    def read(value: Any) -> Any:
        _check_object(value)
        return {
            name if keys is None else _inner(name, keys, name): one
            if inner is None
            else _inner(name, inner, one)
            for name, one in value.items()
        }

    return read


def _key_reader(key: Any, seen: Seen) -> Reader | None:
    key = _bare(key)
    if isinstance(key, type):
        if issubclass(key, enum.Enum) and issubclass(key, int):
            return from_text(lambda text: key(int(text)), f"must be a value of {key.__name__}")
        if key in _KEYS:
            return _KEYS[key]
    return _reader(key, seen)


_GENERICS: Mapping[type, Callable[[tuple[Any, ...], Seen], Reader | None]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), _list),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), partial(_set, set)),
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), _mapping),
    frozenset: partial(_set, frozenset),
    tuple: _tuple,
}

# ----------------------------------------------------------------------------------- records


def _check_object(value: Any) -> None:
    if not isinstance(value, dict):
        text = "must be an object"
        raise Misfit(text)


def _fields(value: Any, readers: Mapping[str, Reader | None]) -> dict[str, Any]:
    _check_object(value)
    return {
        name: value[name] if read is None else _inner(name, read, value[name])
        for name, read in readers.items()
        if name in value
    }


def _dataclass(cls: type, seen: Seen) -> Reader:
    hints = hints_of(cls)
    given: Any = cls
    fields = [field for field in dataclasses.fields(given) if field.init]
    readers = {field.name: _reader(hints.get(field.name, Any), seen) for field in fields}
    missing = dataclasses.MISSING
    required = [
        field.name
        for field in fields
        if field.default is missing and field.default_factory is missing
    ]

    def read(value: Any) -> Any:
        found = _fields(value, readers)
        for name in required:
            if name not in found:
                text = "is missing"
                raise Misfit(text, (name,))
        try:
            return cls(**found)
        except Exception as error:  # noqa: BLE001 - `__post_init__` is somebody's code
            text = f"must be what {cls.__name__} takes ({type(error).__name__})"
            raise Misfit(text) from None  # whose text may show the value

    return read


def _typed_dict(cls: type, seen: Seen) -> Reader | None:
    readers = {name: _reader(hint, seen) for name, hint in hints_of(cls).items()}
    if not any(readers.values()):
        return None

    def read(value: Any) -> Any:
        found = _fields(value, readers)
        return {**value, **found}

    return read


# ------------------------------------------------------------------------------------ choices


def _union(members: tuple[Any, ...], seen: Seen) -> Reader | None:
    # Every date is a datetime at midnight, but no datetime is a date.
    ordered = sorted(members, key=lambda one: one is datetime)
    readers = [(one, _reader(one, seen)) for one in ordered]
    if all(read is None for _, read in readers):
        return None
    tests = [(read, _plain_test(one)) for one, read in readers]

    def choose(value: Any) -> Any:
        for read, fits in tests:
            if read is None:
                if fits(value):
                    return value
                continue
            try:
                return read(value)
            except Misfit:
                continue
        text = "must be one of the types that it is annotated with"
        raise Misfit(text)

    return choose


def _plain_test(annotation: Any) -> Callable[[Any], bool]:
    """Return what tells whether decoded JSON is of a type that needs no reader."""
    kind = typing.get_origin(annotation) or annotation
    if kind is typing.Literal:
        choices = [(type(one), one) for one in typing.get_args(annotation)]
        return lambda value: (type(value), value) in choices
    if kind in (int, float):
        return lambda value: is_number(value) and (kind is float or isinstance(value, int))
    if kind in (str, bool, list, dict, type(None)):
        return lambda value: isinstance(value, kind)
    return lambda _: True
