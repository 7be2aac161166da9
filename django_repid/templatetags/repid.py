"""Times, glyphs and the overview, in templates of the admin."""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from django_repid.admin.base import unreachable
from django_repid.admin.overview import overview
from django_repid.core import clock
from django_repid.core.errors import BrokerUnavailable
from django_repid.core.schedule import zone_of
from django_repid.insight import words

register = template.Library()

#: A failure rate above this is marked.
_HIGH = 0.1
#: What says nothing, and is hard to overlook otherwise.
_PALE = '<span class="repid-zero">{}</span>'


@register.filter
def repid_ago(moment: int | None, now: int) -> str:
    """Return how long ago a moment is, with the moment in UTC as its title."""
    if moment is None:
        return "–"
    return format_html('<time title="{}">{}</time>', words.utc(moment), words.ago(moment, now))


@register.filter
def repid_age(moment: int | None, now: int) -> str:
    """Return how old something is, with its moment in UTC as its title."""
    if moment is None:
        return "–"
    age = words.age(now - moment)
    return format_html('<time title="{}">{}</time>', words.utc(moment), age)


@register.filter
def repid_utc(moment: int) -> str:
    """Return a moment in UTC, to the second."""
    return words.utc(moment)


@register.filter
def repid_span(microseconds: int | None) -> str:
    """Return a span of time in words."""
    return "–" if microseconds is None else words.span(microseconds)


@register.filter
def repid_local(moment: int, zone: str | None) -> str:
    """Return a moment in a time zone; in the current one if that is None."""
    try:
        there = localtime(clock.from_us(moment), None if zone is None else zone_of(zone))
    except (OverflowError, ValueError):  # the last hours of the year 9999, or no such zone here
        return words.utc(moment)
    return f"{there:%Y-%m-%d %H:%M %Z}"


@register.filter
def repid_count(count: int, cap: int) -> str:
    """Return a count that was not counted beyond `cap`; zero says nothing, and is pale."""
    if not count:
        return format_html(_PALE, 0)
    return words.capped(count, cap)


@register.filter
def repid_rate(number: float) -> str:
    """Return a rate; zero is pale."""
    shown = words.rate(number)
    return format_html(_PALE, shown) if shown == "0" else shown


@register.filter
def repid_percent(part: float | None) -> str:
    """Return a part of a whole; one that is worth a look is marked."""
    if part is None:
        return format_html(_PALE, "–")
    high = part > _HIGH
    return format_html('<span class="{}">{}</span>', "repid-high" if high else "", f"{part:.0%}")


@register.simple_tag
def repid_glyph(name: str) -> SafeString:
    """Return the picture of a state or a level; it says nothing that a word beside it does not."""
    glyph = '<svg class="repid-glyph repid-is-{}" aria-hidden="true"><use href="#repid-{}"/></svg>'
    return format_html(glyph, name, name)


@register.simple_tag(takes_context=True)
def repid_overview(context: template.RequestContext) -> str:
    """Return the whole page of the overview: Django shows the template of an app's models."""
    request: Any = context.request
    around: dict[str, Any] = context.flatten()  # type: ignore[assignment]  # its keys are names
    name = "overview.html"
    try:
        ours = overview(request)
    except BrokerUnavailable as error:
        name, ours = "unreachable.html", unreachable(request, "", error)
    return render_to_string(f"admin/django_repid/{name}", {**around, **ours}, request)
