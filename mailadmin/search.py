"""`?q=` of the panel and `?search=` of the API: every word occurs somewhere in one of the fields, capitals or not.

Answered by trigram indexes (pg_trgm) where a table has them: the field names in UPPER(), as Django's `icontains` writes
it. A word of one or two letters has no trigram, so it means the beginning of a field instead.

A field of another table ("message__queue_id") would make one condition over two tables, which no index can answer. So
the rows of the other table are looked up first; if there are few, their keys are the condition, and only if the word is
so frequent that a page of results is found quickly anyway, the tables are joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, Model, Q, QuerySet, TextField
from django.utils.text import smart_split, unescape_string_literal

# Keys of related rows that are written into the statement; and how many words of a search count.
FEW = 500
MAX_WORDS = 10
SHORT = 2


class ArrayWords(Func):
    """The items of an array as one text; unlike PostgreSQL's own cast, an index may be built on it."""

    function = "array_words"
    output_field = TextField()


def search(rows: QuerySet[Any], text: str, fields: Sequence[str]) -> QuerySet[Any]:
    """The rows in which every word of `text` occurs; "words in quotes" stay together."""
    for word in words_of(text):
        conditions = [condition(rows.model, field, word) for field in fields]
        arrays = {name: ArrayWords(F(field)) for field, name in _arrays(rows.model, fields)}
        rows = rows.alias(**arrays).filter(reduce(or_, conditions))
    return rows


def words_of(text: str) -> list[str]:
    """At most MAX_WORDS of them."""
    return [unescape_string_literal(word) if _is_quoted(word) else word for word in smart_split(text)][:MAX_WORDS]


def condition(model: type[Model], field: str, word: str) -> Q:
    """One word in one field, perhaps of a related table."""
    relation, _, rest = field.partition("__")
    if not rest:
        return Q(**{f"{_column(model, field)}__{_lookup(word)}": word})
    related = model._meta.get_field(relation).related_model
    few = list(search_one(related, rest, word)[: FEW + 1])
    return Q(**{f"{relation}__in": few}) if len(few) <= FEW else Q(**{f"{field}__{_lookup(word)}": word})


def search_one(model: type[Model], field: str, word: str) -> QuerySet[Any]:
    """The keys of the rows of `model` in whose `field` the word occurs."""
    return model._default_manager.order_by().filter(condition(model, field, word)).values_list("pk", flat=True)


def _lookup(word: str) -> str:
    return "istartswith" if len(word) <= SHORT else "icontains"


def _column(model: type[Model], field: str) -> str:
    return f"{field}_words" if isinstance(model._meta.get_field(field), ArrayField) else field


def _arrays(model: type[Model], fields: Iterable[str]) -> list[tuple[str, str]]:
    plain = [field for field in fields if "__" not in field]
    return [(field, column) for field in plain if (column := _column(model, field)) != field]


def _is_quoted(word: str) -> bool:
    return len(word) > 1 and word[0] in "\"'" and word[-1] == word[0]
