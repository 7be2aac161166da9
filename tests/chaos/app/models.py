"""Rows that producers and actors write with the ORM, so that they share a job's transaction."""

from typing import ClassVar, Self

from django.db import models


class Order(models.Model):
    """What a producer writes in one transaction with the enqueue of a job."""

    job = models.CharField(max_length=100, unique=True)

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        app_label = "app"
        db_table = "chaos_order"

    def __str__(self) -> str:
        return f"order of {self.job}"


class Effect(models.Model):
    """What an actor does to the database: one row for each time it got so far."""

    job = models.CharField(max_length=100, db_index=True)
    pid = models.IntegerField()

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        app_label = "app"
        db_table = "chaos_effect"

    def __str__(self) -> str:
        return f"effect of {self.job}"
