"""Enqueue at a steady rate: `python -m tests.chaos.steady RATE SECONDS`."""

import sys
import time
from datetime import timedelta

import django

_STEP_SECONDS = 0.05
#: Short, so that pruning is at work.
RESULT_TTL = timedelta(seconds=60)


def main() -> None:
    django.setup()
    from django_repid import BrokerUnavailable, Job

    rate, seconds = float(sys.argv[1]), float(sys.argv[2])
    started, made = time.monotonic(), 0
    while (elapsed := time.monotonic() - started) < seconds:
        due = int(elapsed * rate) - made
        names = ("tick" if number % 2 else "tock" for number in range(made, made + due))
        made += due
        jobs = [Job(name, args={"at": time.time()}, result_ttl=RESULT_TTL) for name in names]
        try:
            Job.enqueue_many_sync(jobs)
        except BrokerUnavailable as error:
            print(error, flush=True)
        time.sleep(_STEP_SECONDS)


if __name__ == "__main__":
    main()
