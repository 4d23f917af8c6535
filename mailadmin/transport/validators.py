"""Syntax of host names, transport matches and rewriting patterns: the message stands beside the field."""

from __future__ import annotations

import ipaddress

from django.core.exceptions import ValidationError

from mailadmin.transport.open_relay import is_open_relay
from mailcore.address import Address, AddressSyntaxError, parse_domain


def validate_hostname(value: str) -> None:
    """A host name, or an IP address without brackets."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        check(parse_domain, value)


def validate_balancer(value: str) -> None:
    """A network of balancers: whoever lives in it can pretend to be anybody, so no stranger may."""
    if is_open_relay(value):
        raise ValidationError(
            f"{value} is too wide: everybody in it could pretend to be any client, also one of my networks.",
            code="strangers",
        )


def validate_match(value: str) -> None:
    """A `*`, a domain, `.domain` or an address."""
    if value == "*":
        return
    if "@" in value:
        check(Address.parse, value)
    else:
        check(parse_domain, value.removeprefix("."))


def validate_rewrite(value: str) -> None:
    """An address, or "@domain"."""
    if value.startswith("@"):
        check(parse_domain, value[1:])
    else:
        check(Address.parse, value)


def check(parse: object, value: str) -> None:
    """Run a parser of mailcore and turn its complaint into Django's."""
    try:
        parse(value)  # type: ignore[operator]
    except AddressSyntaxError as error:
        raise ValidationError(str(error), code="invalid") from error
