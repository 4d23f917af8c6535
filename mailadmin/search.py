"""`?q=` of the panel and `?search=` of the API: every word occurs somewhere in one of the fields, capitals or not.

Answered by trigram indexes (pg_trgm) where a table has them: the field names in UPPER(), as Django's `icontains` writes
it. A word of one or two letters has no trigram, so it means the beginning of a field instead.

A field of another table ("message__queue_id") would make one condition over two tables, which no index can answer. So
the rows of the other table are looked up first; if there are few, their keys are the condition, and only if the word is
so frequent that a page of results is found quickly anyway, the tables are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, Model, Q, QuerySet, TextField
from django.utils.text import smart_split, unescape_string_literal

from mailadmin.counting import is_unique

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
    own = [field for field in fields if "__" not in field]
    related: dict[str, list[str]] = {}
    for field in fields:
        relation, _, rest = field.partition("__")
        if rest:
            related.setdefault(relation, []).append(rest)
    rows = _with_arrays(rows, own)
    for word in words_of(text):
        conditions = [_in_field(rows.model, field, word) for field in own]
        conditions += [_in_related(rows.model, relation, rest, word) for relation, rest in related.items()]
        rows = rows.filter(reduce(or_, conditions))
    return rows


def words_of(text: str) -> list[str]:
    """At most MAX_WORDS of them."""
    return [unescape_string_literal(word) if _is_quoted(word) else word for word in smart_split(text)][:MAX_WORDS]


def _in_field(model: type[Model], field: str, word: str) -> Q:
    if field == "address" and len(word) <= SHORT and is_unique(model, field):
        # Stored in lower case. Trigrams also know where the words inside an address begin, which would be most of them.
        return Q(address__startswith=word.lower())
    return Q(**{f"{_column(model, field)}__{_lookup(word)}": word})


def _in_related(model: type[Model], relation: str, fields: Sequence[str], word: str) -> Q:
    """One word in fields of the table that `relation` leads to: one look into it."""
    other = model._meta.get_field(relation).related_model
    found = other._default_manager.order_by().filter(reduce(or_, [_in_field(other, field, word) for field in fields]))
    few = list(found.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return Q(**{f"{relation}__in": few})
    return reduce(or_, [Q(**{f"{relation}__{field}__{_lookup(word)}": word}) for field in fields])


def _lookup(word: str) -> str:
    return "istartswith" if len(word) <= SHORT else "icontains"


def _column(model: type[Model], field: str) -> str:
    return f"{field}_words" if isinstance(model._meta.get_field(field), ArrayField) else field


def _with_arrays(rows: QuerySet[Any], fields: Sequence[str]) -> QuerySet[Any]:
    arrays = {column: field for field in fields if (column := _column(rows.model, field)) != field}
    return rows.alias(**{column: ArrayWords(F(field)) for column, field in arrays.items()})


def _is_quoted(word: str) -> bool:
    return len(word) > 1 and word[0] in "\"'" and word[-1] == word[0]
