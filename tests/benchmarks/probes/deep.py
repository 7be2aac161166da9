"""One job of each kind that a deep backlog is made of, by the public interface only."""

import datetime
from typing import Any

from tests.benchmarks.work import arguments

#: Only counted: copies of one job share its number.
UNNUMBERED = -1
DELAY = datetime.timedelta(days=1)


def prepare(system: Any) -> None:
    """Leave a waiting job, a delayed one of HIGH priority, and a dead one."""
    from django.core.management import call_command

    from django_repid import Job, PrioritiesT

    Job("fail", id_="dead").enqueue_sync()
    call_command("repid_worker", burst=True, verbosity=0)
    Job("noop", args=arguments(UNNUMBERED), id_="waiting").enqueue_sync()
    Job(
        "noop",
        args=arguments(UNNUMBERED),
        id_="delayed",
        priority=PrioritiesT.HIGH,
        deferred_until=datetime.datetime.now(datetime.UTC) + DELAY,
    ).enqueue_sync()
