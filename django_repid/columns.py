"""The kinds of columns and indexes that the models are made of."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models


class NameField(models.CharField):  # type: ignore[type-arg]  # its type arguments are stubs' own
    """ASCII text that compares byte by byte: MariaDB's default collation says "A" = "a"."""

    _COLLATIONS: ClassVar = {"postgresql": "C", "mysql": "ascii_bin"}

    def db_parameters(self, connection: Any) -> Any:
        """Return Django's parameters with the vendor's binary collation."""
        parameters = super().db_parameters(connection)
        parameters["collation"] = self._COLLATIONS.get(connection.vendor)
        return parameters


class MicrosecondsField(models.BigIntegerField):  # type: ignore[type-arg]  # as above
    """A moment, in microseconds since the epoch."""


class LeanIndex(models.Index):
    """An index that leaves out the rows that nobody looks for, where the database can do that.

    `where` says for a vendor which rows are in it; on vendors that it does not name all are.
    Django's own `condition` would make no index at all on MariaDB and MySQL, and warn.
    """

    def __init__(self, *, where: Mapping[str, models.Q], **options: Any) -> None:
        super().__init__(**options)
        self.where = dict(where)

    def deconstruct(self) -> Any:
        """Return what a migration needs to make it again."""
        path, arguments, options = super().deconstruct()
        return path, arguments, {**options, "where": self.where}

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:
        """Return the statement that makes it on the schema editor's database."""
        where = self.where.get(schema_editor.connection.vendor)
        plain = models.Index(fields=self.fields, name=self.name, condition=where)
        return plain.create_sql(model, schema_editor, using=using, **options)
