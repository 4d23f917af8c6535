"""What describes the API: the index, the OpenAPI document and the Swagger page, all served from here, no CDN."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.generic import TemplateView
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mailadmin.api import problems
from mailadmin.api.openapi import SETTINGS

SIDECAR = "drf_spectacular_sidecar/swagger-ui-dist"
# Swagger UI sets style attributes and draws its icons from data: addresses; scripts come from files only.
SWAGGER_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class OpenApiView(SpectacularAPIView):
    """The OpenAPI document. Anybody may read it: it says what exists, not what is in it."""

    authentication_classes: list[type] = []
    permission_classes = [AllowAny]
    throttle_classes: list[type] = []
    custom_settings = SETTINGS
    schema = None

    def get_exception_handler(self) -> Any:
        return problems.problem_handler


class SwaggerView(TemplateView):
    """The OpenAPI document as a page to try things on."""

    template_name = "mailadmin_api/swagger.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        names = ("swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js")
        css, bundle, preset = (static(f"{SIDECAR}/{name}") for name in names)
        return {"css": css, "bundle": bundle, "preset": preset, "schema_url": reverse("api:schema")}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().get(request, *args, **kwargs)
        response.headers["Content-Security-Policy"] = SWAGGER_CSP
        return response


class IndexView(APIView):
    """Where everything is."""

    authentication_classes: list[type] = []
    permission_classes = [AllowAny]
    renderer_classes = [JSONRenderer]
    throttle_classes: list[type] = []

    def get_exception_handler(self) -> Any:
        return problems.problem_handler

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """Names and addresses of the resources."""
        from mailadmin.api.urls import VIEWSETS

        names = {name: reverse(f"api:{name}-list") for name in VIEWSETS}
        single = {name: reverse(f"api:{name}") for name in ("settings", "trace", "status", "schema", "docs")}
        return Response({name: request.build_absolute_uri(url) for name, url in (names | single).items()})
