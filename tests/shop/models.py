"""Models for the tests' actors to write."""

from django.db import models


class Order(models.Model):
    """Something that a view creates and an actor works on."""

    number = models.IntegerField(default=0)
    note = models.CharField(max_length=100, default="")

    def __str__(self) -> str:
        return f"order {self.number}"


class Line(models.Model):
    """Something that must belong to an order, as the database finds out at the commit."""

    order = models.ForeignKey(Order, models.CASCADE)

    def __str__(self) -> str:
        return f"line of order {self.order_id}"
