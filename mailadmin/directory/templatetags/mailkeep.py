"""Filters for what the panel shows everywhere: sizes, ages, moments."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mailadmin.directory.quantities import format_bytes

register = template.Library()


@register.filter
def size(value: int | None) -> str:
    """1536 -> 1.5 KB."""
    return "" if value is None else format_bytes(int(value))


UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@register.filter
def duration(seconds: float | None) -> str:
    """The largest unit and the next one: 93784 -> "1 d 2 h", 10805 -> "3 h"."""
    if seconds is None:
        return ""
    left = int(max(seconds, 0))
    for at, (unit, length) in enumerate(UNITS):
        if left >= length:
            count, rest = divmod(left, length)
            smaller, size_of_smaller = UNITS[at + 1] if at + 1 < len(UNITS) else ("", rest + 1)
            more = rest // size_of_smaller
            return f"{count} {unit}" + (f" {more} {smaller}" if more else "")
    return "0 s"


@register.filter
def age(moment: datetime | None) -> str:
    """How long ago; for a moment to come, in how long."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    return duration(seconds) if seconds >= 0 else f"in {duration(-seconds)}"


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A time element: UTC without scripts, the reader's own zone with them."""
    if value is None:
        return ""
    utc = value.astimezone(timezone.get_default_timezone())
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), utc.strftime("%Y-%m-%d %H:%M:%S"))


@register.filter
def as_title(text: object) -> str:
    """A heading begins with a capital, unless it is an address, a domain or the like: those are what they are."""
    title = str(text)
    return title if any(mark in title for mark in "@.:/[") else title[:1].upper() + title[1:]


@register.filter
def shown(value: object) -> object:
    """A moment as a time element, everything else as it is."""
    return moment(value) if isinstance(value, datetime) else value
