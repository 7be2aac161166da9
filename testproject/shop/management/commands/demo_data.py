from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from shop.models import Product

PRODUCTS = [
    ("CUP-0001", "Espresso cup", "9.90", 48),
    ("CUP-0002", "Mug, speckled", "14.50", 30),
    ("POT-0001", "Teapot 1 l", "39.00", 7),
    ("JAR-0001", "Storage jar", "12.00", 64),
    ("TOW-0001", "Tea towel, linen", "11.90", 85),
]


class Command(BaseCommand):
    help = "Put a few products into an empty shop, and make the superuser admin, password admin."

    def handle(self, **_: Any) -> None:
        if not settings.DEBUG:
            message = "Everybody knows this password, so it is for DEBUG only."
            raise CommandError(message)
        if not Product.objects.exists():
            Product.objects.bulk_create(
                Product(sku=sku, name=name, price=price, stock=stock)
                for sku, name, price, stock in PRODUCTS
            )
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", "admin@example.com", "admin")
            self.stdout.write("Made the superuser admin, password admin (for this demo only).")
