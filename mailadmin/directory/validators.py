"""Address and domain syntax of mailcore as Django validators: the message stands beside the field."""

from __future__ import annotations

from django.core.exceptions import ValidationError

from mailcore.address import Address, AddressSyntaxError, parse_domain


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
