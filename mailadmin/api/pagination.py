"""Pages of a list: `limit` and `offset`, both bounded, with `count`, `next` and `previous` beside the results.

A page costs two queries, the count and the rows, whatever its size.
"""

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
# PostgreSQL walks over skipped rows one by one; whoever wants row one million should filter instead.
MAX_OFFSET = 1_000_000


class BoundedPagination(LimitOffsetPagination):
    """At most MAX_LIMIT rows, at most MAX_OFFSET skipped; nonsense is an error, not silently the first page."""

    default_limit = DEFAULT_LIMIT
    max_limit = MAX_LIMIT

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
