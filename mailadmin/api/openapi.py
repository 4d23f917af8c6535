"""The OpenAPI document: names of operations, the problem response of every operation, 201 beside 200 for PUT."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

PROBLEM = {
    "type": "object",
    "description": "A problem document (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": "about:blank, or urn:mailkeep:problem:invalid with `errors`."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {"type": "object", "additionalProperties": True, "description": "Field name -> sentences."},
    },
    "required": ["type", "title", "status", "detail", "instance"],
}
DESCRIPTION = """\
Everything the panel configures, and the queue and the message trace, for programs.

Send `Authorization: Bearer mk_...` with a token made in the panel, with `POST /api/v1/tokens/`, or with
`manage.py create_api_token NAME --scopes domains:write accounts:write`.
Objects have natural keys: `PUT /api/v1/accounts/alice@example.org/` creates the account (201) or replaces it (200).
Lists are paged (`limit`, `offset`), filtered and ordered (`ordering`). Errors are `application/problem+json`.
A change is in force in every mail process within a second.
"""


class ApiSchema(AutoSchema):
    """Groups the operations by resource."""

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "resource", "api")]


def add_problems(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """Postprocessing hook: every operation may answer with a problem; PUT may answer 201."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {
        "description": "A problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result["paths"].values():
        for method, operation in operations.items():
            responses = operation["responses"]
            responses["default"] = answer
            if method == "put" and "200" in responses:
                responses["201"] = {**responses["200"], "description": "Created"}
    return result


SETTINGS: dict[str, Any] = {
    "TITLE": "Mailkeep",
    "DESCRIPTION": DESCRIPTION,
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "mailadmin.api.openapi.add_problems"],
}
