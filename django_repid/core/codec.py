"""The wire form of what a message says besides its address: the only place that knows it.

`spec` is a JSON object with short keys, absent where the default holds::

    {"v": 1, "at": 1700000000000000, "timeout": 600000000, "retries": 3, "ttl": 1000000,
     "until": 1700000000000000, "result": ["id", 86400000000]}

Times and spans are microseconds. `v` is the format's version: a reader refuses a newer one, and
ignores keys that it does not know.
"""

import json
from collections.abc import Mapping
from datetime import timedelta

from django_repid.core import clock
from django_repid.core.errors import RepidError
from django_repid.core.message import (
    DelayProperties,
    Parameters,
    ResultProperties,
    RetriesProperties,
)

VERSION = 1
_DEFAULT_TIMEOUT_US = clock.span_us(Parameters().execution_timeout)

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class NewerFormat(RepidError):
    """A message was written by a newer version than this one can read."""


def encode_parameters(parameters: Parameters) -> str:
    """Return the spec text of `parameters`. Tries are no part of it: they have a column."""
    spec: dict[str, object] = {"v": VERSION, "at": clock.to_us(parameters.timestamp)}
    timeout = clock.span_us(parameters.execution_timeout)
    if timeout != _DEFAULT_TIMEOUT_US:
        spec["timeout"] = timeout
    if parameters.retries.max_amount:
        spec["retries"] = parameters.retries.max_amount
    if parameters.ttl is not None:
        spec["ttl"] = clock.span_us(parameters.ttl)
    if parameters.delay.delay_until is not None:
        spec["until"] = clock.to_us(parameters.delay.delay_until)
    if (result := parameters.result) is not None:
        spec["result"] = [result.id_, None if result.ttl is None else clock.span_us(result.ttl)]
    return _encode(spec)


def decode_parameters(spec: str, *, tries: int = 0, run_at: int | None = None) -> Parameters:
    """Return the parameters that `spec` holds.

    Raises:
        NewerFormat: the text was written by a newer version than this one can read.

    """
    loaded = json.loads(spec)
    if loaded["v"] > VERSION:
        message = (
            f"This message was written in format {loaded['v']}, this version of django_repid reads "
            f"up to {VERSION}. Upgrade the workers before the processes that enqueue."
        )
        raise NewerFormat(message)
    result = loaded.get("result")
    ttl, until = loaded.get("ttl"), loaded.get("until")
    return Parameters(
        execution_timeout=_span(loaded.get("timeout", _DEFAULT_TIMEOUT_US)),
        result=None if result is None else ResultProperties(result[0], _span_or_none(result[1])),
        retries=RetriesProperties(loaded.get("retries", 0), tries),
        delay=DelayProperties(
            None if until is None else clock.from_us(until),
            None if run_at is None else clock.from_us(run_at),
        ),
        timestamp=clock.from_us(loaded["at"]),
        ttl=_span_or_none(ttl),
    )


def encode_headers(headers: Mapping[str, str]) -> str:
    """Return headers as JSON text; none at all as an empty text."""
    return _encode(dict(headers)) if headers else ""


def decode_headers(text: str) -> dict[str, str]:
    """Return the headers that `text` holds."""
    return json.loads(text) if text else {}


def _span(microseconds: int) -> timedelta:
    return timedelta(microseconds=microseconds)


def _span_or_none(microseconds: int | None) -> timedelta | None:
    return None if microseconds is None else timedelta(microseconds=microseconds)
