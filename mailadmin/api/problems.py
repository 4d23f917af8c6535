"""Every error of the API as application/problem+json (RFC 9457).

`type` is about:blank where the status says it all. A body that was understood but is not acceptable has the type
urn:mailkeep:problem:invalid and an `errors` object, field name -> list of sentences; what concerns no single field
stands under `non_field_errors`. Nothing here tells a client about tables, paths or tracebacks.
"""

import logging
from http import HTTPStatus
from typing import Any

import psycopg
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

MEDIA_TYPE = "application/problem+json"
INVALID = "urn:mailkeep:problem:invalid"

log = logging.getLogger(__name__)


class Conflict(exceptions.APIException):
    """The request contradicts the present state of the resource."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "The request contradicts the present state of the resource."
    default_code = "conflict"


class Unavailable(exceptions.APIException):
    """A component behind the API does not answer; the same request may succeed later."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "A component behind the API does not answer. Try again later."
    default_code = "unavailable"


def problem(status: int, detail: str, instance: str, errors: dict[str, Any] | None = None) -> dict[str, Any]:
    """The problem document itself."""
    document: dict[str, Any] = {
        "type": INVALID if errors else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": instance,
    }
    if errors:
        document["errors"] = errors
    return document


def problem_handler(error: Exception, context: dict[str, Any]) -> Response:
    """REST framework's EXCEPTION_HANDLER: any exception of a view -> a problem response. Nothing escapes."""
    request = context["request"]
    known = _translated(error)
    set_rollback()
    if known is None:
        log.error("api_error path=%s method=%s", request.path, request.method, exc_info=error)
        return Response(problem(500, "Something went wrong here. It has been logged.", request.path), status=500)
    errors = _field_errors(known) if isinstance(known, exceptions.ValidationError) else None
    detail = _sentence(errors) if errors else _plain(known.detail)
    return Response(
        problem(known.status_code, detail, request.path, errors), status=known.status_code, headers=_headers(known)
    )


def _translated(error: Exception) -> exceptions.APIException | None:
    match error:
        case exceptions.APIException():
            return error
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied()
        case ModelValidationError():
            return exceptions.ValidationError(_model_errors(error))
        case IntegrityError():
            # Two requests at once, or a row that others still refer to: the database said no first.
            return Conflict()
        case DataError() | psycopg.DataError():
            # PostgreSQL knows more limits than the validators: a time zone of 23:38, a year before Christ.
            return exceptions.ValidationError("A value is out of range.")
        case OperationalError() | psycopg.OperationalError():
            return Unavailable()
    return None


def _model_errors(error: ModelValidationError) -> Any:
    if hasattr(error, "error_dict"):
        rename = {"__all__": api_settings.NON_FIELD_ERRORS_KEY}
        return {rename.get(field, field): messages for field, messages in error.message_dict.items()}
    return {api_settings.NON_FIELD_ERRORS_KEY: error.messages}


def _field_errors(error: exceptions.ValidationError) -> dict[str, Any]:
    detail = error.detail
    if isinstance(detail, dict):
        return detail
    return {api_settings.NON_FIELD_ERRORS_KEY: detail if isinstance(detail, list) else [detail]}


def _sentence(errors: dict[str, Any]) -> str:
    field = next(iter(errors))
    message = errors[field]
    while isinstance(message, list | dict):
        message = next(iter(message.values())) if isinstance(message, dict) else message[0]
    return str(message) if field == api_settings.NON_FIELD_ERRORS_KEY else f"{field}: {message}"


def _plain(detail: Any) -> str:
    if isinstance(detail, list):
        return " ".join(_plain(item) for item in detail)
    return str(detail)


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


@csrf_exempt
def not_found(request: HttpRequest, path: str = "") -> JsonResponse:
    """The answer for every path under /api/ that nothing serves."""
    document = problem(404, "There is nothing at this address.", request.path)
    return JsonResponse(document, status=404, content_type=MEDIA_TYPE)
