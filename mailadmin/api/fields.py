"""Serializer fields that read addresses, domains and next hops as people write them and keep them as keys."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import Model
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mailadmin.transport.fields import parse_network
from mailadmin.transport.models import RelayHost, TlsLevel
from mailadmin.transport.postfix_notation import NotationError, parse_next_hop
from mailcore.address import Address, parse_domain
from mailcore.errors import AddressSyntaxError


def domain_key(text: str) -> str:
    """The form in which a domain is stored; nonsense stays what it is and is then found nowhere."""
    try:
        return parse_domain(text.strip())
    except AddressSyntaxError:
        return text.strip().lower()


def address_key(text: str) -> str:
    """The form in which an address or "@domain" is stored; nonsense stays what it is."""
    stripped = text.strip()
    if stripped.startswith("@"):
        return "@" + domain_key(stripped[1:])
    try:
        return Address.parse(stripped).key
    except AddressSyntaxError:
        return stripped.lower()


class DomainNameField(serializers.CharField):
    """A domain, international names as A-labels, in lower case. Syntax is checked by the model's validator."""

    def to_internal_value(self, data: Any) -> str:
        return domain_key(super().to_internal_value(data))


class AddressField(serializers.CharField):
    """An address or "@domain" in lower case. Syntax is checked by the model's validator."""

    def to_internal_value(self, data: Any) -> str:
        return address_key(super().to_internal_value(data))


class NetworkField(serializers.CharField):
    """A network in CIDR notation, or one address; as the database writes it."""

    def to_internal_value(self, data: Any) -> str:
        try:
            return parse_network(super().to_internal_value(data))
        except ModelValidationError as error:
            raise serializers.ValidationError(error.messages) from error


class NetworksField(serializers.ListField):
    """Networks, each once."""

    child = NetworkField(max_length=64)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=100, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        return list(dict.fromkeys(super().to_internal_value(data)))


@extend_schema_field(OpenApiTypes.STR)
class RelayHostField(serializers.Field):
    """A relay host in Postfix's notation, `[smtp.example.org]:587`, or by its id. Unknown ones are created."""

    default_error_messages = {
        "type": "A next hop in Postfix's notation, such as [smtp.example.org]:587, the id of a relay host, or null.",
        "unknown": "There is no relay host {id}.",
    }

    def to_internal_value(self, data: Any) -> RelayHost:
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("type")
        if isinstance(data, int) or (data.isascii() and data.isdigit()):
            return self._by_id(int(data))
        return find_or_create_relay_host(data)

    def to_representation(self, value: RelayHost) -> str:
        return value.notation

    def _by_id(self, number: int) -> RelayHost:
        found = RelayHost.objects.filter(pk=number).first()
        if found is None:
            self.fail("unknown", id=number)
        return found


def find_or_create_relay_host(text: str) -> RelayHost:
    """The relay host that the notation means: one without a user name rather than one with."""
    try:
        hop = parse_next_hop(text)
    except NotationError as error:
        raise serializers.ValidationError(str(error)) from error
    same = RelayHost.objects.filter(host__iexact=hop.host, port=hop.port, lookup_mx=hop.lookup_mx)
    found = same.order_by("username", "pk").first()
    if found is not None:
        return found
    tls = TlsLevel.IMPLICIT if hop.implicit_tls else TlsLevel.MAY
    return RelayHost.objects.create(host=hop.host, port=hop.port, lookup_mx=hop.lookup_mx, tls=tls)


def model_validators(model: type[Model], field: str) -> list[Any]:
    """The validators of a model's field, for a serializer field that is declared by hand."""
    return list(model._meta.get_field(field).validators)
