"""Times and counts in words."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_repid.core import clock

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def span(microseconds: int) -> str:
    """Return a span of time, as coarse as a person would say it."""
    if microseconds < _SECOND:
        return _("%d ms") % max(microseconds // 1000, 0)
    if microseconds < 100 * _SECOND:
        return _("%d s") % (microseconds // _SECOND)
    if microseconds < 100 * _MINUTE:
        return _("%d min") % (microseconds // _MINUTE)
    if microseconds < 2 * _DAY:
        return _("%d h") % (microseconds // _HOUR)
    days = microseconds // _DAY
    return ngettext("%d day", "%d days", days) % days


def period(microseconds: int) -> str:
    """Return a span of time exactly, in the largest unit that it is whole in."""
    if microseconds % _DAY == 0:
        days = microseconds // _DAY
        return ngettext("%d day", "%d days", days) % days
    if microseconds % _HOUR == 0:
        return _("%d h") % (microseconds // _HOUR)
    if microseconds % _MINUTE == 0:
        return _("%d min") % (microseconds // _MINUTE)
    return _("%s s") % f"{microseconds / _SECOND:g}"


def age(microseconds: int) -> str:
    """Return how old something is: nobody asks for less than seconds."""
    return span(microseconds) if microseconds >= _SECOND else _("0 s")


def ago(moment: int, now: int) -> str:
    """Return how long ago a moment is, or in how long it comes."""
    if abs(now - moment) < _SECOND:
        return _("now")
    if moment > now:
        return _("in %s") % span(moment - now)
    return _("%s ago") % span(now - moment)


def utc(moment: int) -> str:
    """Return a moment in UTC, to the second."""
    try:
        return f"{clock.from_us(moment):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError):  # the last hours of the year 9999, or worse
        return _("out of range")


def capped(count: int, cap: int) -> str:
    """Return a count that was not counted beyond `cap`."""
    if count <= cap:
        return str(count)
    return f"{cap // 1000}k+" if cap >= 1000 and cap % 1000 == 0 else f"{cap}+"  # noqa: PLR2004 - a thousand


def rate(number: float) -> str:
    """Return how many of something there are in a while: small ones with a decimal."""
    return f"{number:.1f}" if 0 < number < 10 else f"{number:.0f}"  # noqa: PLR2004 - two digits
