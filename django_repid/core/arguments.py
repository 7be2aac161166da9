"""Argument texts to objects, and results to texts: what every converter shares."""

import json
from typing import Any

from django_repid.core.config import Config
from django_repid.core.errors import ArgsInvalid, ResultInvalid

Arguments = tuple[list[Any], dict[str, Any]]


def load_object(data: str) -> dict[str, Any]:
    """Return the JSON object that `data` holds; "" is an empty one.

    Raises:
        ArgsInvalid: it holds none.

    """
    if not data:
        return {}
    try:
        loaded = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"The arguments are not JSON that can be read: {error}"
        raise ArgsInvalid(message) from error
    if not isinstance(loaded, dict):
        message = f"The arguments must be a JSON object, not {type(loaded).__name__}."
        raise ArgsInvalid(message)
    return loaded


def serialize_result(data: Any) -> str:
    """Return a result as text.

    Raises:
        ResultInvalid: the serializer refused it.

    """
    try:
        return Config.SERIALIZER(data)
    except Exception as error:
        message = f"What the actor returned cannot be stored as a result: {error}"
        raise ResultInvalid(message) from error
