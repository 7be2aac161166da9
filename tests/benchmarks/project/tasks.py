"""The measured actors."""

import os
from datetime import timedelta

from django_repid import Router
from tests.benchmarks import work

router = Router()
for _actor in work.ACTORS.values():
    router.actor(_actor)


@router.actor
async def fail() -> None:
    """End as a dead letter."""
    raise ValueError("meant to fail")


if os.environ.get("REPID_BENCH_UNUSED"):
    for _number in range(100):
        router.actor(
            name=f"unused_{_number}",
            queue=f"unused_{_number % 10}",
            retries=3,
            timeout=timedelta(seconds=30),
        )(work.noop)
