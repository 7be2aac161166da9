"""`manage.py repid_health`: what is wrong with the queue, in words, and as an exit code."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from django_repid import conf
from django_repid.core.errors import BrokerUnavailable, ConfigurationError
from django_repid.core.serializer import printable
from django_repid.insight.reader import Reader, readers
from django_repid.insight.snapshot import look
from django_repid.insight.verdict import Finding, Level, all_is_well, verdict

_BROKEN = 2


class Command(BaseCommand):
    """Say what the admin says on top of its pages."""

    help = (
        "Say what is wrong: no live worker, queues that nobody serves, late or failing jobs. The "
        "exit code is 0 if all is fine, 1 with warnings, 2 if something is broken."
    )

    # It is to be asked often, and to answer when much is wrong.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the flags."""
        parser.add_argument("--connection", help="an alias of REPID; default: all of them")
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, **options: Any) -> None:
        """Look, and say it."""
        try:
            seen = {alias: look(reader) for alias, reader in _chosen(options["connection"]).items()}
        except (ConfigurationError, BrokerUnavailable) as error:
            raise CommandError(str(error), returncode=_BROKEN) from error
        found = {alias: verdict(snapshot) for alias, snapshot in seen.items()}
        worst = max((one.level for some in found.values() for one in some), default=Level.INFO)
        if options["format"] == "json":
            self._say(json.dumps(_wire(found, worst), indent=2))
        else:
            for alias, findings in found.items():
                place = f"{alias}: " if len(found) > 1 else ""
                for finding in findings:
                    self._say(f"{place}{finding.level.name}: {printable(finding.text)}")
                if not any(finding.level for finding in findings):
                    self._say(f"{place}OK: {all_is_well(seen[alias])}")
        if worst:
            raise SystemExit(int(worst))

    def _say(self, line: str) -> None:
        self.stdout.write(line)


def _chosen(alias: str | None) -> dict[str, Reader]:
    """Return the readers to ask.

    Raises:
        ConfigurationError: there is none.

    """
    if alias is not None:
        conf.read(alias)  # says which aliases there are
    known = readers()
    if alias is None and known:
        return known
    if alias in known:
        return {alias: known[alias]}
    message = (
        f"Connection {alias or 'default'!r} has no store of its own that other processes can look "
        f"into; {', '.join(known) or 'none'} can be asked."
    )
    raise ConfigurationError(message)


def _wire(found: dict[str, list[Finding]], worst: Level) -> dict[str, Any]:
    """Return the answer for machines. Keys are only ever added."""
    return {
        "status": {Level.INFO: "ok", Level.WARNING: "warning", Level.BROKEN: "broken"}[worst],
        "findings": [
            {
                "connection": alias,
                "level": one.level.name.lower(),
                "code": one.code,
                "text": one.text,
                "queue": one.queue,
                "actor": one.actor,
                "exception": one.exception,
            }
            for alias, findings in found.items()
            for one in findings
        ],
    }
