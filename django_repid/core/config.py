"""The defaults of the process: what the settings say, changeable for bare scripts."""

from typing import Any

from django_repid.core import redaction
from django_repid.core.serializer import SerializerT, default_serializer


class Config:
    """The defaults of the process.

    `SERIALIZER` makes the text of arguments and results; `CONVERTER` is the class that maps it to
    an actor's parameters and back (None: `DefaultConverter`). Set them before the routers are
    made. A connection's own `SERIALIZER` option goes first. `SECRET_ARGUMENTS` are the names whose
    values no page, log or error shows.
    """

    SERIALIZER: SerializerT = staticmethod(default_serializer)
    CONVERTER: Any = None
    SECRET_ARGUMENTS: tuple[str, ...] = redaction.SECRET_ARGUMENTS
