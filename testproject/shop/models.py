from django.db import models


class Product(models.Model):
    sku = models.CharField("SKU", max_length=40, unique=True)
    name = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=10, decimal_places=2)
    stock = models.PositiveIntegerField()

    class Meta:
        ordering = ["sku"]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"


class Upload(models.Model):
    """An uploaded file. A job's arguments should be small, so they name this row, not its text."""

    name = models.CharField(max_length=255)
    content = models.TextField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    customer = models.EmailField()
    product = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField(default=1)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Order {self.pk}"

    def is_possible(self) -> bool:
        return self.quantity < 20


class TillCount(models.Model):
    """What the till held when an actor counted it, every minute."""

    counted = models.DateTimeField(auto_now_add=True)
    products = models.PositiveIntegerField()
    orders = models.PositiveIntegerField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.counted:%H:%M:%S}"


class Patience(models.Model):
    """How often the `flaky` actor has been tried under a key."""

    key = models.CharField(max_length=32, unique=True)
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "patience"

    def __str__(self) -> str:
        return f"{self.key}: {self.tries}"
