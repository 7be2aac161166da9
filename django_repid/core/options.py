"""The options of a connection: `REPID[alias]["OPTIONS"]`, with their defaults."""

from dataclasses import dataclass, field

from django_repid.core.machine import cpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Tunable numbers of one connection.

    A field is the setting of the same name in lower case. Defaults and units are explained in
    `docs/reference/settings.md`.
    """

    silence_seconds: float = 15.0
    beat_seconds: float = 5.0
    claim_batch: int = 100
    poll_seconds_idle: float = 0.5
    poll_seconds_idle_with_bell: float = 1.0
    payload_limit_bytes: int = 1024 * 1024
    traceback_limit_bytes: int = 64 * 1024
    args_wait_seconds: float = 3600.0
    dead_retention_days: float = 14.0
    statistics_retention_days: float = 30.0
    threads: int = 8
    database_lanes: int = 16
    tasks_limit: int = 1000
    actor_processes: int = field(default_factory=cpus)
    child_jobs_limit: int | None = None
    child_memory_limit_mb: int | None = None
    graceful_shutdown_seconds: float = 25.0
    eager: bool = False
