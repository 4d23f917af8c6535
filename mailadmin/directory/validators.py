"""Address and domain syntax of mailcore as Django validators: the message stands beside the field."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from mailcore.address import Address, AddressSyntaxError, parse_domain
from mailcore.directory.jwks import parse_jwks


def validate_domain_name(value: str) -> None:
    """A host name of RFC 5321: letters, digits, hyphens and dots."""
    try:
        parse_domain(value)
    except AddressSyntaxError as error:
        raise ValidationError(str(error), code="invalid") from error
    if value.startswith("["):
        raise ValidationError("An address literal is not a domain of this server.", code="invalid")


def validate_account_address(value: str) -> None:
    """local-part@domain."""
    try:
        Address.parse(value)
    except AddressSyntaxError as error:
        raise ValidationError(str(error), code="invalid") from error


def validate_alias_address(value: str) -> None:
    """local-part@domain, or @domain for a catch-all."""
    if value.startswith("@"):
        validate_domain_name(value[1:])
    else:
        validate_account_address(value)


def validate_alias_target(value: str) -> None:
    """An address, or :include: and the name or path of a list below $MAIL_HOME/lists."""
    if value.startswith(":include:"):
        path = value[len(":include:") :].strip()
        if not path or ".." in path.split("/"):
            raise ValidationError("After :include: comes the name of a file below the lists folder.", code="invalid")
        return
    validate_account_address(value)


def validate_jwks_url(value: str) -> None:
    """https, or http on this machine: whoever can change the keys on their way can be anybody."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        is_here = host == "localhost" or _is_loopback(host)
    except ValueError as error:
        raise ValidationError("This is no address of a page.", code="invalid") from error
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_here)):
        raise ValidationError("An address that begins with https:// is needed.", code="invalid")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def validate_jwks(value: str) -> None:
    """A JWK set in which at least one key can be used."""
    try:
        keys = parse_jwks(value)
    except ValueError as error:
        raise ValidationError(f"This is no JWK set: {error}.", code="invalid") from error
    if not keys:
        raise ValidationError("There is no public RSA or P-256 key in it that signs by RS256 or ES256.", code="invalid")
