"""What all endpoints share: who may come in, how errors look, paging and filters.

Nothing depends on REST framework's global settings, so that no other application can change the API's behaviour.
"""

from typing import Any, ClassVar

from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import viewsets
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from mailadmin.api import problems
from mailadmin.api.authentication import StaffSessionAuthentication, TokenAuthentication
from mailadmin.api.openapi import ApiSchema
from mailadmin.api.pagination import BoundedPagination
from mailadmin.api.permissions import HasScope
from mailadmin.counting import is_unique


class StableOrdering(OrderingFilter):
    """Rows that are equal in the wanted order are ordered by primary key, so that pages do not overlap."""

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> list[str]:
        wanted = list(super().get_ordering(request, queryset, view) or [])
        # Where no two rows are equal, the index of that field alone gives the order.
        if len(wanted) == 1 and is_unique(queryset.model, wanted[0].removeprefix("-")):
            return wanted
        return [*wanted, "pk"]


class ApiViewMixin:
    """Authentication, permission by scope, problem+json. Stands left of APIView or a viewset."""

    resource: ClassVar[str]
    authentication_classes = [TokenAuthentication, StaffSessionAuthentication]
    permission_classes = [HasScope]
    parser_classes = [JSONParser]
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]
    throttle_classes: list[type] = []
    versioning_class = None
    metadata_class = None
    schema = ApiSchema()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        # PostgreSQL has no text with NUL: in a key or a filter it would otherwise become an error of ours.
        if "\x00" in request.path or any("\x00" in text for text in _query_texts(request)):
            raise ValidationError("A NUL character is not allowed in an address.")

    def get_exception_handler(self) -> Any:
        return problems.problem_handler

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        renderer = getattr(response, "accepted_renderer", None)
        if getattr(response, "exception", False) and getattr(renderer, "format", "") == "json":
            response.content_type = problems.MEDIA_TYPE
        response.headers["Cache-Control"] = "no-store"
        return response


def _query_texts(request: Request) -> list[str]:
    return [text for name, values in request.query_params.lists() for text in (name, *values)]


class ApiView(ApiViewMixin, APIView):
    """One object, no list."""


class ApiViewSet(ApiViewMixin, viewsets.GenericViewSet):
    """A resource with a list that is filtered, ordered and paged."""

    pagination_class = BoundedPagination
    filter_backends = [DjangoFilterBackend, StableOrdering]
