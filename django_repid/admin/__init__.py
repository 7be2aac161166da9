"""The admin: one section, "Background jobs", whose pages show and steer what goes on.

`base` is what they share; each page has a module and a template of its own.
"""

from django_repid.admin import failures, jobs, overview, queues, results, schedules, workers

__all__ = ["failures", "jobs", "overview", "queues", "results", "schedules", "workers"]
