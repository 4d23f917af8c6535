"""Counting and paging that stay quick when a table is large.

`count(*)` reads every row; a person reads "more than 100,000". So rows are counted up to a limit, and a whole table
beyond it is estimated from the planner's statistics. A page is found by its keys first, over an index alone where the
order allows it, and only its own rows are read in full, with all that is joined and computed for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import Model, QuerySet
from django.utils.functional import cached_property

COUNTED = 100_000
# What is searched for or filtered is narrowed down further, not counted.
SEARCHED = 10_000
ESTIMATE = "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass"


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are. `reached` of them may be paged to; `is_exact` when that is all."""

    reached: int
    number: int
    is_exact: bool = True

    def __str__(self) -> str:
        if self.is_exact:
            return f"{self.number}"
        if self.number > self.reached:
            return f"about {_rounded(self.number):,}"
        return f"more than {self.reached:,}"


def count(rows: QuerySet[Any], limit: int = COUNTED) -> Count:
    """Count up to `limit`. One query; a second one, for the estimate, where a whole table has more rows than that."""
    found = count_up_to(rows, limit)
    if found <= limit:
        return Count(found, found)
    whole = not rows.query.where and not rows.query.distinct
    return Count(limit, estimate(rows) if whole else limit, is_exact=False)


def count_up_to(rows: QuerySet[Any], limit: int) -> int:
    """How many rows there are; limit + 1 when there are more than `limit`."""
    return rows.order_by().values("pk")[: limit + 1].count()


def estimate(rows: QuerySet[Any]) -> int:
    """How many rows the table had when PostgreSQL last looked; -1 if it never has."""
    with connections[rows.db].cursor() as cursor:
        cursor.execute(ESTIMATE, [rows.model._meta.db_table])
        return int(cursor.fetchone()[0])


def page_of(rows: QuerySet[Any], start: int, end: int, whole: QuerySet[Any]) -> list[Any]:
    """The rows from `start` to `end` of an ordered query, read in two steps: their keys, then they from `whole`.

    `whole` is the table with all that is joined, computed and prefetched, but without filters: the keys say it all, and
    a search need not be done twice.
    """
    key = key_of(rows)
    keys = list(rows.select_related(None).prefetch_related(None).values_list(key, flat=True)[start:end])
    place = {value: number for number, value in enumerate(keys)}
    found = whole.order_by().filter(**{f"{key}__in": keys})
    return sorted(found, key=lambda row: place[getattr(row, key)])


def key_of(rows: QuerySet[Any]) -> str:
    """What the rows are found by: the field they are ordered by, if no two can have the same, else the primary key."""
    order = list(dict.fromkeys(rows.query.order_by))
    if len(order) == 1 and isinstance(order[0], str) and is_unique(rows.model, order[0].removeprefix("-")):
        return order[0].removeprefix("-")
    return "pk"


def is_unique(model: type[Model], name: str) -> bool:
    """No two rows have the same value in this field."""
    known = {field.name: field for field in model._meta.concrete_fields}
    return name == "pk" or (name in known and known[name].unique and not known[name].null)


class BoundedPaginator(Paginator):
    """Pages up to the row to which rows are counted."""

    template_name = "mailkeep/pagination.html"
    limit = COUNTED

    @cached_property
    def counted(self) -> Count:
        """How many rows, in words too."""
        return count(self.object_list, self.limit)

    @cached_property
    def count(self) -> int:
        """Rows that can be paged to."""
        return self.counted.reached


def _rounded(number: int) -> int:
    """To two digits: more would look as if it had been counted."""
    step = 10 ** max(len(str(number)) - 2, 0)
    return round(number / step) * step
