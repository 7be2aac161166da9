from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Make the superuser admin with the password admin, if there is no user admin yet."

    def handle(self, **_: Any) -> None:
        if not settings.DEBUG:
            message = "Everybody knows this password, so it is for DEBUG only."
            raise CommandError(message)
        users = get_user_model().objects
        if users.filter(username="admin").exists():
            return
        users.create_superuser("admin", "admin@example.com", "admin")
        self.stdout.write("Made the superuser admin, password admin (for this demo only).")
