"""`manage.py repid_prune`: remove what has expired."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_repid.connections import connections
from django_repid.core.errors import BrokerUnavailable, ConfigurationError
from django_repid.core.pruning import prune


class Command(BaseCommand):
    """Remove expired buckets, old dead letters, failures and statistics."""

    help = (
        "Remove expired buckets, and dead letters, failures and statistics past their retention. "
        "Workers do so by themselves; this is for projects that run none for long."
    )

    # It looks at one connection's databases; wrong settings are said when that is made.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the flags."""
        parser.add_argument("--connection", default="default", help="the alias of REPID")
        parser.add_argument(
            "--args",
            action="store_true",
            dest="unused_args",  # `args` is Django's own
            help="also args buckets under generated ids that no message refers to any more",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, **options: Any) -> None:
        """Prune, and say how much."""
        try:
            counts = prune(
                connections[options["connection"]],
                unused_args=options["unused_args"],
                dry_run=options["dry_run"],
            )
        except ConfigurationError as error:
            raise CommandError(str(error), returncode=2) from error
        except BrokerUnavailable as error:
            raise CommandError(str(error), returncode=1) from error
        verb = "would remove" if options["dry_run"] else "removed"
        for what, count in counts.items():
            self.stdout.write(f"{verb} {count} {what}")
