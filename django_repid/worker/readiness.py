"""Whether a worker is at work and reaches its store."""

import math
import time

from django_repid.worker.beat import Heartbeat
from django_repid.worker.health import Health, HealthCheckStatus
from django_repid.worker.outage import Outage

#: An idle worker looks at its store once a second; one that has not reached it for so long hangs.
_UNREACHED_SECONDS = 10.0


def readiness(heartbeat: Heartbeat, outage: Outage, silence: float, *, stopping: bool) -> Health:
    """Return what is to be told; from any thread. `silence`: how long others wait for a beat."""
    if stopping:
        return _unhealthy("it is coming to its end")
    if heartbeat.beaten_at == -math.inf:
        return _unhealthy("it is starting")
    silent_for = outage.silent_for
    if outage.is_on or silent_for > _UNREACHED_SECONDS:
        return _unhealthy(f"the store was last reached {silent_for:.0f} s ago")
    quiet_for = time.monotonic() - heartbeat.beaten_at
    if quiet_for > silence:
        return _unhealthy(f"its last sign of life was taken {quiet_for:.0f} s ago")
    return Health()


def _unhealthy(why: str) -> Health:
    return Health(HealthCheckStatus.UNHEALTHY, why)
