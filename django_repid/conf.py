"""The settings: `settings.REPID`, checked and turned into values. Its only reader."""

import difflib
import numbers
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings

from django_repid.core.errors import ConfigurationError
from django_repid.core.options import Options
from django_repid.core.redaction import SECRET_ARGUMENTS, plain_name

DEFAULTS: Mapping[str, Any] = {
    "MESSAGE_BROKER": "django_repid.brokers.database.DatabaseMessageBroker",
    "ARGS_BUCKET_BROKER": None,
    "RESULTS_BUCKET_BROKER": "django_repid.brokers.database.DatabaseBucketBroker",
    "OPTIONS": {},
}
BROKERS = ("MESSAGE_BROKER", "ARGS_BUCKET_BROKER", "RESULTS_BUCKET_BROKER")

_NUMBERS = {field.name.upper(): field for field in fields(Options)}
_TEXTS = ("SERIALIZER", "CONVERTER", "DISCOVER_MODULE")
_SECRETS = "SECRET_ARGUMENTS"
_DEFAULT_MODULE = "tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """One broker: its class, as a dotted path, and the arguments of its constructor."""

    path: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSettings:
    """One alias of REPID. `serializer` and `converter` are dotted paths.

    `secret_arguments`: the names whose values nobody is shown.
    """

    alias: str
    message_broker: BrokerSettings
    args_bucket_broker: BrokerSettings | None
    results_bucket_broker: BrokerSettings | None
    options: Options
    serializer: str | None
    converter: str | None
    discover_module: str
    secret_arguments: tuple[str, ...]


def aliases() -> list[str]:
    """Return the aliases of REPID; "default" is always one."""
    return list(dict.fromkeys(("default", *_raw())))


def read(alias: str) -> AliasSettings:
    """Return the settings of one alias.

    Raises:
        ConfigurationError: there is no such alias, or something in it is wrong.

    """
    if alias not in aliases():
        message = f"REPID has no alias {alias!r}; it has {', '.join(aliases())}."
        raise ConfigurationError(message)
    if found := list(problems(alias)):
        raise ConfigurationError(" ".join(found))
    given = {**DEFAULTS, **_raw().get(alias, {})}
    options = given["OPTIONS"]
    message_broker = _broker(given["MESSAGE_BROKER"])
    assert message_broker is not None  # noqa: S101 - `problems` has seen to it
    return AliasSettings(
        alias=alias,
        message_broker=message_broker,
        args_bucket_broker=_broker(given["ARGS_BUCKET_BROKER"]),
        results_bucket_broker=_broker(given["RESULTS_BUCKET_BROKER"]),
        options=Options(**{k.lower(): v for k, v in options.items() if k in _NUMBERS}),
        serializer=options.get("SERIALIZER"),
        converter=options.get("CONVERTER"),
        discover_module=options.get("DISCOVER_MODULE", _DEFAULT_MODULE),
        secret_arguments=tuple(options.get(_SECRETS, SECRET_ARGUMENTS)),
    )


def problems(alias: str) -> Iterable[str]:
    """Yield what is wrong with the settings of one alias, in words."""
    raw = _raw().get(alias, {})
    place = f"REPID[{alias!r}]"
    if alias in DEFAULTS:
        yield f"REPID is laid out by alias, as CACHES is: {alias} belongs into REPID['default']."
        return
    if not isinstance(raw, Mapping):
        yield f"{place} must be a dict, not {raw!r}."
        return
    yield from _unknown(place, raw, DEFAULTS)
    for key in BROKERS:
        yield from _broker_problems(f"{place}[{key!r}]", raw.get(key, DEFAULTS[key]), key)
    options = raw.get("OPTIONS", {})
    if not isinstance(options, Mapping):
        yield f"{place}['OPTIONS'] must be a dict, not {options!r}."
        return
    yield from _unknown(f"{place}['OPTIONS']", options, (*_NUMBERS, *_TEXTS, _SECRETS))
    wrong = [
        text
        for key, value in options.items()
        for text in _option_problems(f"{place}['OPTIONS'][{key!r}]", key, value)
    ]
    yield from wrong or _beat_problems(place, options)
    if _SECRETS in options and alias != "default":
        # Pages and errors know no alias; names that nothing heeds would be a trap.
        yield f"{place}['OPTIONS']: {_SECRETS} holds for the whole process: say it in 'default'."
    if "CONVERTER" in options and alias != "default":
        # An actor is registered once, whichever connection its jobs come from.
        yield f"{place}['OPTIONS']: CONVERTER holds for the whole process: say it in 'default'."


def _raw() -> Mapping[str, Any]:
    raw = getattr(settings, "REPID", {})
    if not isinstance(raw, Mapping):
        message = f"REPID must be a dict of aliases, laid out like CACHES, not {raw!r}."
        raise ConfigurationError(message)
    return raw


def _unknown(place: str, given: Iterable[str], known: Iterable[str]) -> Iterable[str]:
    known = list(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It takes {', '.join(known)}."
            yield f"{place} has no key {key!r}. {hint}"


def _broker_problems(place: str, value: Any, key: str) -> Iterable[str]:
    if value is None and key != "MESSAGE_BROKER":
        return
    named = value.get("CLASS") if isinstance(value, Mapping) else value
    if not isinstance(named, str) or "." not in named:
        yield (
            f"{place} must be a dotted path, or a dict of CLASS and the arguments of its "
            f"constructor, not {_without_values(value)}."
        )


def _without_values(value: Any) -> str:
    """Return a wrong broker as a text; the arguments of a right class may be secret."""
    return f"a dict of {', '.join(map(str, value))}" if isinstance(value, Mapping) else repr(value)


def _option_problems(place: str, key: str, value: Any) -> Iterable[str]:
    if key in _TEXTS and not isinstance(value, str):
        yield f"{place} must be text, not {value!r}."
    if key == _SECRETS and not _are_names(value):
        yield f"{place} must be a list of names that hold letters, not {value!r}."
    if key not in _NUMBERS:
        return
    field = _NUMBERS[key]
    if field.type is bool:
        if not isinstance(value, bool):
            yield f"{place} must be True or False, not {value!r}."
        return
    if value is None and field.default is None:
        return
    whole = field.type in (int, int | None)
    kind = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool) or not isinstance(value, kind) or value <= 0:
        yield f"{place} must be {'an int' if whole else 'a number'} above 0, not {value!r}."


def _are_names(value: Any) -> bool:
    if not isinstance(value, list | tuple | set | frozenset):
        return False
    # A name of signs and digits alone would be the end of every other.
    return all(isinstance(name, str) and plain_name(name) for name in value)


def _beat_problems(place: str, options: Mapping[str, Any]) -> Iterable[str]:
    defaults = Options()
    silence = options.get("SILENCE_SECONDS", defaults.silence_seconds)
    beat = options.get("BEAT_SECONDS", defaults.beat_seconds)
    if silence < 2 * beat:
        yield (
            f"{place}['OPTIONS']: SILENCE_SECONDS ({silence}) must be at least twice BEAT_SECONDS "
            f"({beat}), or workers that live are taken for dead."
        )


def _broker(value: Any) -> BrokerSettings | None:
    if value is None:
        return None
    if isinstance(value, str):
        return BrokerSettings(path=value, arguments={})
    arguments = {name: argument for name, argument in value.items() if name != "CLASS"}
    return BrokerSettings(path=value["CLASS"], arguments=arguments)
