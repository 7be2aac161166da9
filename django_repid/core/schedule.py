"""When a recurring job is due: every so often, or by cron in a time zone. Knows cronsim.

A cron line is read as Debian's cron reads it. Where a clock change leaves out the hour of a job at
a fixed time, it runs at the end of the gap, once; where the hour comes twice, it runs the first
time only. Lines that begin with a star in the minutes or the hours go by elapsed time: they run
in both of two equal hours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from django_repid.core import clock

#: What the names stand for, as in crontab(5). "@reboot" is no point in time.
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """Occurrences, in microseconds since the epoch.

    Either `every`, microseconds, or `cron` with its `zone`: an IANA name, or an offset as
    "+02:00". `declared`: an actor declares it, so that it ends with that declaration.
    """

    every: int | None = None
    cron: str | None = None
    zone: str | None = None
    declared: bool = False

    def first(self, now: int, until: int | None = None) -> int:
        """Return the first occurrence: at `until` if that is to come.

        Raises:
            ValueError: there is none.

        """
        if until is not None and until > now:
            return until
        if self.every is None:
            return self._after(now)
        return self.following(now if until is None else until, now)

    def following(self, tick: int, after: int) -> int:
        """Return the occurrence that comes next: later than `tick`, and later than `after`.

        All that lie between the two are left out: what was missed comes once, late, and not as
        often as it was missed.

        Raises:
            ValueError: there is none.

        """
        after = max(tick, after)
        if self.every is None:
            return self._after(after)
        return tick + ((after - tick) // self.every + 1) * self.every

    def run_at(self, tick: int, moment: int) -> int:
        """Return the occurrence that a run at `moment` stands for, which nothing planned.

        The next one comes as it would have come anyway, `tick` itself if that is still to come.
        """
        if tick > moment:
            return tick - (self.every or 1)
        return moment if self.every is None else tick + (moment - tick) // self.every * self.every

    def _after(self, moment: int) -> int:
        for found in self._walk(moment):
            if found > moment:  # an hour that comes twice begins with moments that have been
                return found
        message = f"{self.cron!r} never comes."
        raise ValueError(message)

    def _walk(self, moment: int) -> Iterator[int]:
        line = self.cron or ""
        start = clock.from_us(moment).astimezone(zone_of(self.zone or "UTC"))
        for occurrence in CronSim(ALIASES.get(line.strip().lower(), line), start):
            yield clock.to_us(occurrence)

    def as_wire(self) -> dict[str, object]:
        """Return what `read` takes."""
        found = {"every": self.every, "cron": self.cron, "zone": self.zone}
        wire: dict[str, object] = {name: value for name, value in found.items() if value}
        return {**wire, "declared": True} if self.declared else wire

    @classmethod
    def read(cls, wire: dict[str, object]) -> "Schedule":
        """Return what `as_wire` has written; keys that are not known are ignored."""
        every, cron, zone = wire.get("every"), wire.get("cron"), wire.get("zone")
        return cls(
            every if isinstance(every, int) else None,
            None if cron is None else str(cron),
            None if zone is None else str(zone),
            bool(wire.get("declared")),
        )


def check_cron(line: object, zone: str) -> Schedule:
    """Return the schedule of a cron line.

    Raises:
        ValueError: it is no line of five fields nor a known name, or it never comes.

    """
    text = line if isinstance(line, str) else repr(line)
    name = text.strip().lower()
    if name.startswith("@"):
        if name not in ALIASES:
            message = f"cron {text!r} is not known; there are {', '.join(sorted(ALIASES))}."
            raise ValueError(message)
    elif len(text.split()) != _FIELDS or not isinstance(line, str):
        message = (
            "cron must be a str of five fields (minute, hour, day of month, month, day of week), "
            f"not {line!r:.100}."
        )
        raise ValueError(message)
    schedule = Schedule(cron=text.strip(), zone=zone)
    try:
        schedule.first(clock.now_us())
    except CronSimError as error:
        message = f"cron {text!r:.100} is not valid: {error}."
        raise ValueError(message) from error
    return schedule


def zone_name(zone: object) -> str:
    """Return the name under which a time zone travels: it must be known wherever a worker runs.

    Raises:
        ValueError: it is none that has a name or one offset.

    """
    if isinstance(zone, str):
        zone_of(zone)
        return zone
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    if zone is UTC:
        return "UTC"
    if isinstance(zone, tzinfo) and (offset := zone.utcoffset(None)) is not None:
        sign, minutes = ("-", -offset) if offset < timedelta(0) else ("+", offset)
        hours, rest = divmod(minutes // timedelta(minutes=1), 60)
        return f"{sign}{hours:02}:{rest:02}"
    message = f"timezone must be the name of a time zone, or one with a name, not {zone!r}."
    raise ValueError(message)


def zone_of(name: str) -> tzinfo:
    """Return the time zone of a name.

    Raises:
        ValueError: this machine knows none of that name.

    """
    if name == "UTC":
        return UTC
    try:
        if name[:1] in ("+", "-"):
            offset = datetime.strptime(name, "%z").utcoffset()
            return timezone(offset or timedelta(0))
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        message = f"There is no time zone {name!r} on this machine (the package tzdata has them)."
        raise ValueError(message) from error
