"""Sizes, delays and dates as the viewer writes them."""

from datetime import datetime

from django import template
from django.utils import timezone

from mailadmin.directory.quantities import format_bytes

register = template.Library()


@register.filter
def as_size(size: int) -> str:
    """1536 -> "1.5 KB"."""
    return format_bytes(size)


@register.filter
def as_delay(seconds: float | None) -> str:
    """How long a hop took: "under 1 s", "2 min 5 s"; a clock that is wrong gives a negative one."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"clocks differ by {as_delay(-seconds)}"
    whole = int(seconds)
    if whole < 1:
        return "under 1 s"
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    units = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    parts = [f"{number} {unit}" for number, unit in units if number]
    return " ".join(parts[:2])


@register.filter
def as_list_date(moment: datetime) -> str:
    """Today the time, this year the day, else the date; the script of the page turns it into the reader's zone."""
    local, now = timezone.localtime(moment), timezone.localtime()
    if local.date() == now.date():
        return local.strftime("%H:%M")
    if local.year == now.year:
        return f"{local.day} {local:%b}"
    return f"{local:%Y-%m-%d}"


@register.filter
def as_full_date(moment: datetime) -> str:
    """The whole instant."""
    local = timezone.localtime(moment)
    return f"{local:%A}, {local.day} {local:%B %Y, %H:%M} {local:%Z}"
