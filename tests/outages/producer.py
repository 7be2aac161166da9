"""Enqueue jobs from a process of its own: `python -m tests.outages.producer ACTOR FIRST COUNT`.

More arguments are the actor's, as JSON. It prints when the jobs were committed.
"""

import json
import sys
import time

import django


def main() -> None:
    django.setup()
    from django_repid import Job

    actor, first, count, more = sys.argv[1:]
    numbers = range(int(first), int(first) + int(count))
    Job.enqueue_many_sync(
        [
            Job(actor, id_=f"job-{n}", result_id=f"job-{n}", args={"number": n, **json.loads(more)})
            for n in numbers
        ]
    )
    print(time.time())


if __name__ == "__main__":
    main()
