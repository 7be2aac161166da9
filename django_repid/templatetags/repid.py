"""Times, glyphs and the overview, in templates of the admin."""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_repid.admin import overview
from django_repid.insight import words

register = template.Library()


@register.filter
def repid_ago(moment: int | None, now: int) -> SafeString:
    """Return how long ago a moment is, with the moment in UTC as its title."""
    if moment is None:
        return SafeString("–")
    return format_html('<time title="{}">{}</time>', words.utc(moment), words.ago(moment, now))


@register.filter
def repid_age(moment: int | None, now: int) -> SafeString:
    """Return how old something is, with its moment in UTC as its title."""
    if moment is None:
        return SafeString("–")
    age = words.age(now - moment)
    return format_html('<time title="{}">{}</time>', words.utc(moment), age)


@register.filter
def repid_span(microseconds: int | None) -> str:
    """Return a span of time in words."""
    return "–" if microseconds is None else words.span(microseconds)


@register.simple_tag
def repid_glyph(name: str) -> SafeString:
    """Return the picture of a state or a level; it says nothing that a word beside it does not."""
    glyph = '<svg class="repid-glyph repid-is-{}" aria-hidden="true"><use href="#repid-{}"/></svg>'
    return format_html(glyph, name, name)


@register.simple_tag(takes_context=True)
def repid_overview(context: template.RequestContext) -> SafeString:
    """Return the whole page of the overview: Django shows the template of an app's models."""
    request: Any = context.request
    around: dict[str, Any] = context.flatten()  # type: ignore[assignment]  # its keys are names
    given = {**around, **overview.overview(request)}
    return SafeString(render_to_string("admin/django_repid/overview.html", given, request))
