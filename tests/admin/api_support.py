"""A client of the API for tests: JSON in, JSON out, a token with the wanted scopes."""

import json
from typing import Any

from django.test import Client

from mailadmin.api.tokens import create_token


class ApiClient:
    """Requests under /api/v1/ with a bearer token. The last response stays in `.response`."""

    def __init__(self, *scopes: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {}
        if scopes:
            _, text = create_token(("test " + " ".join(scopes))[:100], scopes)
            self.headers["Authorization"] = f"Bearer {text}"

    def request(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """(status, parsed body)"""
        response = self.client.generic(
            method,
            f"/api/v1{path}",
            data="" if body is None else json.dumps(body),
            content_type="application/json",
            headers=self.headers,
            query_params=query or None,
        )
        self.response = response
        return response.status_code, response.json() if response.content else None

    def get(self, path: str, **query: Any) -> tuple[int, Any]:
        return self.request("GET", path, None, **query)

    def put(self, path: str, body: Any, **query: Any) -> tuple[int, Any]:
        return self.request("PUT", path, body, **query)

    def post(self, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        return self.request("POST", path, body, **query)

    def patch(self, path: str, body: Any, **query: Any) -> tuple[int, Any]:
        return self.request("PATCH", path, body, **query)

    def delete(self, path: str, **query: Any) -> tuple[int, Any]:
        return self.request("DELETE", path, None, **query)


def assert_problem(response: Any, status: int, *fields: str) -> dict[str, Any]:
    """The response is a problem document with this status and errors for exactly these fields."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["title"] and document["detail"] and document["instance"]
    assert sorted(document.get("errors", {})) == sorted(fields)
    return document
