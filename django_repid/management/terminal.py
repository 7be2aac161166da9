"""What the worker command logs to a terminal: no text from outside begins a line or commands it."""

import logging

from django_repid.core.serializer import printable


class TerminalFormatter(logging.Formatter):
    """Escapes control characters, and sets further lines (a traceback's) off from the first."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as lines of which only the first begins at the left."""
        lines = super().format(record).expandtabs(4).split("\n")
        return "\n    ".join(map(printable, lines))
