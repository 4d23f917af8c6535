"""Filters that several resources share."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from mailadmin.api.fields import domain_key
from mailadmin.search import search


class WordsFilter(filters.CharFilter):
    """`?search=`: every word occurs somewhere in one of `fields`, capital letters or not (mailadmin.search)."""

    def __init__(self, *, fields: Sequence[str], **kwargs: Any) -> None:
        kwargs.setdefault("label", f"Words that occur in {', '.join(fields)}")
        kwargs.setdefault("max_length", 200)
        super().__init__(**kwargs)
        self.fields = fields

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return search(qs, value or "", self.fields)


class DomainFilterField(filters.CharFilter):
    """`?domain=`: the objects of one domain; one that is not ours has none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(field_name="domain_id", label="The domain they belong to", max_length=253, **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return super().filter(qs, domain_key(value) if value else value)
