"""Pages of a list: `limit` and `offset`, both bounded, with `count`, `next` and `previous` beside the results.

A page costs three queries, the count, the keys and the rows, whatever its size. Up to 100,000 rows `count` is exact.
Beyond it `count_is_exact` is false, and `count` an estimate that is never less than the rows that are there to be read
on: `next` is null on the last page only.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.counting import count, page_of

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
# PostgreSQL walks over skipped rows one by one; whoever wants row one million should filter instead.
MAX_OFFSET = 1_000_000


class BoundedPagination(LimitOffsetPagination):
    """At most MAX_LIMIT rows, at most MAX_OFFSET skipped; nonsense is an error, not silently the first page."""

    default_limit = DEFAULT_LIMIT
    max_limit = MAX_LIMIT
    is_exact = True

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        self.request, self.limit, self.offset = request, self.get_limit(request), self.get_offset(request)
        # One more than fits says whether there is a next page, whatever an estimate says.
        rows = page_of(queryset, self.offset, self.offset + self.limit + 1, view.get_queryset())
        self.count, self.is_exact = self._count(queryset, len(rows))
        self.display_page_controls = self.count > self.limit
        return rows[: self.limit]

    def _count(self, queryset: QuerySet[Any], read: int) -> tuple[int, bool]:
        counted, known = count(queryset), self.offset + read
        if counted.is_exact:
            return counted.number, True
        if 0 < read <= self.limit:
            return known, True
        return max(counted.number, known), False

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        page = super().get_paginated_response(data).data
        return Response({"count": page.pop("count"), "count_is_exact": self.is_exact, **page})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        described["properties"]["count_is_exact"] = {
            "type": "boolean",
            "description": "false: there are more than 100,000, and `count` is an estimate.",
        }
        return described

    def get_limit(self, request: Request) -> int:
        limit = _number(request, self.limit_query_param, DEFAULT_LIMIT, 10**9)
        if limit < 1:
            raise ValidationError({self.limit_query_param: ["At least 1."]})
        return min(limit, MAX_LIMIT)

    def get_offset(self, request: Request) -> int:
        return _number(request, self.offset_query_param, 0, MAX_OFFSET)

    def get_schema_operation_parameters(self, view: object) -> list[dict[str, object]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        offset = {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}
        return [
            _parameter(self.limit_query_param, "How many results on a page.", limit),
            _parameter(self.offset_query_param, "How many results to skip.", offset),
        ]


def _number(request: Request, name: str, default: int, highest: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > highest:
        raise ValidationError({name: [f"A number from 0 to {highest}."]})
    return int(text)


def _parameter(name: str, description: str, schema: dict[str, object]) -> dict[str, object]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
