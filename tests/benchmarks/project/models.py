"""Rows to compare with: one like a job's, and one as a web request may write."""

from typing import Any, ClassVar

from django.db import models

from django_repid.models import Message


def _like(original: type[models.Model]) -> dict[str, Any]:
    """Return fields, indexes and constraints like those of another model, under other names."""
    fields = {field.name: field.clone() for field in original._meta.local_fields}
    indexes = [index.clone() for index in original._meta.indexes]
    constraints = [constraint.clone() for constraint in original._meta.constraints]
    for number, one in enumerate([*indexes, *constraints]):
        one.name = f"bench_like_{number}"
    meta = type("Meta", (), {"indexes": indexes, "constraints": constraints})
    return {**fields, "Meta": meta}


LikeJob: Any = type("LikeJob", (models.Model,), {"__module__": __name__, **_like(Message)})


class Page(models.Model):
    """A row that has nothing to do with jobs."""

    title = models.CharField(max_length=100)
    text = models.TextField()
    written = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["Page"]] = models.Manager()

    def __str__(self) -> str:
        return self.title
