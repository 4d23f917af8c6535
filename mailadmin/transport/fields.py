"""PostgreSQL's cidr as a model field whose Python value is the text of the network."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


def parse_network(value: str) -> str:
    """The network in its canonical text. Raises ValidationError when bits are set to the right of the mask."""
    text = value.strip().strip("[]") if "/" not in value else value.strip().replace("[", "").replace("]", "")
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise ValidationError(f"{value!r} is not a network: {error}.", code="invalid") from error


class CidrField(models.CharField):
    """An IPv4 or IPv6 network. Stored as cidr; compared and constrained by PostgreSQL as such."""

    description = "IP network"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 64)
        super().__init__(*args, **kwargs)

    def db_type(self, connection: Any) -> str:
        return "cidr"

    def to_python(self, value: Any) -> str | None:
        text = super().to_python(value)
        return parse_network(text) if text else text

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str | None:
        return None if value is None else str(value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else str(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return self.get_prep_value(value)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return f"({sql})::text", params
