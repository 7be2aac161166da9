"""Keeping secrets out of what people read: which arguments are secret, and texts without them.

What is stored stays as it is, since an actor needs it. This is for pages, logs, errors and reprs.
An argument is secret by its mark, `Annotated[str, Secret]`, or by its name, at any depth.
"""

import inspect
import json
import re
import typing
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django_repid.core.annotations import evaluate, space_of

#: Names whose values are secret unless the settings say other ones. Compared by their ends.
SECRET_ARGUMENTS: tuple[str, ...] = (
    *("password", "passwd", "passphrase", "secret", "token", "credential", "authorization"),
    *("cookie", "api_key", "access_key", "secret_key", "private_key"),
)

#: What stands in the place of a secret.
HIDDEN = "********"

#: A shorter secret is not looked for in texts: it would be found in every second word.
_SHORTEST = 3
#: More secrets than this in one payload are not looked for: the whole text is hidden.
_MOST = 1000

_SIGN = re.compile(r"[\W_]+")
_PLURAL = re.compile(r"(?<=[^s])s$")


class Secret:
    """Marks a parameter, or what an actor returns, as secret: `Annotated[str, Secret]`."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The marks of one actor.

    `named`: its secret arguments. `spared`: where not None, every argument but these is secret
    (`**rest` or `*rest` is marked). `result`: whether what it returns is secret as a whole.
    """

    named: frozenset[str] = frozenset()
    spared: frozenset[str] | None = None
    result: bool = False

    def __contains__(self, name: object) -> bool:
        return name in self.named or (self.spared is not None and name not in self.spared)

    @classmethod
    def of(cls, fn: Callable[..., Any]) -> "Secrets":
        """Return the marks on the signature of an actor function."""
        try:
            signature = inspect.signature(fn)
        except ValueError:  # a builtin without one
            return cls()
        kinds = inspect.Parameter
        named, spared, rest = set[str](), set[str](), False
        for name, parameter in signature.parameters.items():
            annotation = evaluated(parameter.annotation, fn)
            marked = _is_marked(annotation, {})
            if parameter.kind in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL):
                rest = rest or marked
            else:
                travels_as = {name, *_aliases(annotation, parameter.default)}
                (named if marked else spared).update(travels_as)
        result = _is_marked(evaluated(signature.return_annotation, fn), {})
        return cls(frozenset(named), frozenset(spared) if rest else None, result)

    @classmethod
    def together(cls, many: Iterable["Secrets"]) -> "Secrets":
        """Return what is secret to any of several actors, for arguments of one of them."""
        many = list(many)
        named = frozenset[str]().union(*(one.named for one in many))
        spared = [one.spared for one in many if one.spared is not None]
        return cls(named, frozenset.intersection(*spared) if spared else None)


#: For an actor that cannot be looked at: everything may be secret.
ALL_SECRET = Secrets(spared=frozenset(), result=True)
NO_MARKS = Secrets()


def is_secret_name(name: str, names: Iterable[str]) -> bool:
    """Whether a name ends with one of `names`, however it is written.

    By the end, since that is where English has the thing itself: `user_password`, `newPassword2`,
    `X-Api-Key` and `tokens` are secrets, `password_changed_at` and `token_count` are none.
    """
    return plain_name(name).endswith(tuple(map(plain_name, names)))


def plain_name(name: str) -> str:
    """Return a name as it is compared: without case, signs, last digits and a plural's s."""
    return _PLURAL.sub("", _SIGN.sub("", name).lower().rstrip("0123456789"))


def readable_place(
    place: Iterable[object], names: Iterable[str], marks: Container[str] = ()
) -> tuple[str, bool]:
    """Return where in the arguments something is, up to the first secret, and whether it is one."""
    names, parts = tuple(names), [str(part) for part in place]
    for end, part in enumerate(parts, 1):
        if (end == 1 and part in marks) or is_secret_name(part, names):
            return ".".join(parts[:end]), True  # what is below is secret too, keys as well
    return ".".join(parts), False


def without_secrets(value: Any, names: Collection[str], marks: Container[str] = ()) -> Any:
    """Return decoded JSON with its secrets hidden: by name at any depth, by mark at the top."""
    if isinstance(value, Mapping):
        return {
            key: HIDDEN
            if key in marks or is_secret_name(key, names)
            else without_secrets(one, names)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(one, names) for one in value]
    return value


def secret_texts(value: Any, names: Collection[str], marks: Container[str] = ()) -> set[str]:
    """Return the secrets in decoded JSON as the texts they would be found as elsewhere."""
    found: set[str] = set()
    if isinstance(value, Mapping):
        for key, one in value.items():
            inner = _leaves(one) if key in marks or is_secret_name(key, names) else None
            found |= secret_texts(one, names) if inner is None else set(inner)
    elif isinstance(value, list):
        for one in value:
            found |= secret_texts(one, names)
    return found


def hide(text: str, secrets: Collection[str]) -> str:
    """Return a text in which secrets are hidden, wherever they are repeated."""
    if len(secrets) > _MOST:
        return HIDDEN
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def hide_arguments(text: str, payload: str, names: Collection[str], marks: Container[str]) -> str:
    """Return a text in which no secret of a payload is repeated; as it is if that is no JSON."""
    try:
        return hide(text, secret_texts(json.loads(payload or "{}"), names, marks))
    except (ValueError, RecursionError):
        return text


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        # Its keys too: what is below a secret is secret.
        parts: Iterable[Any] = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) >= _SHORTEST and not isinstance(value, bool) and value is not None:
            yield text
            # As a repr or JSON shows it, where that differs.
            yield from {repr(text)[1:-1], json.dumps(text)[1:-1]}
        return
    for part in parts:
        yield from _leaves(part)


def evaluated(annotation: Any, fn: Callable[..., Any]) -> Any:
    """Return an annotation that was postponed; as the text it is where it cannot be had."""
    try:
        return evaluate(annotation, space_of(fn))
    except Exception:  # noqa: BLE001 - evaluating an annotation can raise anything
        return annotation


def _is_marked(annotation: Any, seen: dict[int, Any]) -> bool:
    """Whether a mark is anywhere in an annotation, or in a field of a type that it names.

    `seen` keeps what it holds alive, so that no id comes twice.
    """
    if id(annotation) in seen:
        return False
    seen[id(annotation)] = annotation
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):  # only type checkers can evaluate it
        return re.search(r"\bSecret", annotation) is not None
    if isinstance(annotation, Secret):
        return True
    # pydantic's SecretStr and its kin say it themselves.
    if isinstance(annotation, type) and (
        issubclass(annotation, Secret) or hasattr(annotation, "get_secret_value")
    ):
        return True
    return any(_is_marked(part, seen) for part in _parts(annotation))


def _aliases(annotation: Any, default: Any) -> Iterable[str]:
    """Return the other names of a parameter: those of pydantic's `Field`."""
    for extra in (*getattr(annotation, "__metadata__", ()), default):
        for alias in (getattr(extra, "alias", None), getattr(extra, "validation_alias", None)):
            for one in getattr(alias, "choices", (alias,)):  # AliasChoices
                first = next(iter(getattr(one, "path", (one,))), None)  # AliasPath
                if isinstance(first, str):
                    yield first


def _parts(annotation: Any) -> Iterable[Any]:
    """Return what an annotation is made of."""
    if typing.get_origin(annotation) is typing.Literal:
        return
    for extra in getattr(annotation, "__metadata__", ()):
        if not isinstance(extra, str):
            yield extra
    yield from typing.get_args(annotation)[: 1 if hasattr(annotation, "__metadata__") else None]
    if (aliased := getattr(annotation, "__value__", None)) is not None:  # `type X = …`
        yield aliased
    if isinstance(annotation, type) and hasattr(annotation, "__annotations__"):
        try:
            yield from typing.get_type_hints(annotation, include_extras=True).values()
        except Exception:  # noqa: BLE001 - evaluating an annotation can raise anything
            yield from annotation.__annotations__.values()
