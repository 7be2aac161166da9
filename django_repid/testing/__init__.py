"""For tests: jobs run on the spot, a clock to travel with, and the suite that every broker passes.

The pytest plugin (`django_repid.testing.plugin`) is found by pytest itself.
"""

from django_repid.testing.events import EventLog, GetEventLogT
from django_repid.testing.jobs import Ran, arun_jobs, run_jobs
from django_repid.testing.memory import GetInMemoryQueueT, InMemoryQueue
from django_repid.testing.mocks import GetMockedActorT
from django_repid.testing.travel import Clock, travel

__all__ = [
    "Clock",
    "EventLog",
    "GetEventLogT",
    "GetInMemoryQueueT",
    "GetMockedActorT",
    "InMemoryQueue",
    "Ran",
    "arun_jobs",
    "run_jobs",
    "travel",
]
