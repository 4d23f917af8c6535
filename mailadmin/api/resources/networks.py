"""/networks/: whose clients may relay without logging in (mynetworks)."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from mailadmin.api.filters import WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.transport.fields import parse_network
from mailadmin.transport.models import MyNetwork
from mailadmin.transport.open_relay import is_open_relay


def network_key(text: str) -> str:
    """The canonical text of a network; nonsense stays what it is and is then found nowhere."""
    try:
        return parse_network(text)
    except ModelValidationError:
        return text


@extend_schema_field(OpenApiTypes.STR)
class CidrSerializerField(serializers.CharField):
    """A network in CIDR notation, or a single address."""

    def to_internal_value(self, data: Any) -> str:
        try:
            return parse_network(super().to_internal_value(data))
        except ModelValidationError as error:
            raise serializers.ValidationError(error.messages) from error


class NetworkSerializer(ResourceSerializer):
    """A trusted network. One so wide that it makes an open relay must be confirmed by repeating it."""

    cidr = CidrSerializerField(
        max_length=64,
        validators=[UniqueValidator(MyNetwork.objects.all())],
        help_text="192.0.2.0/24, 2001:db8::/32 or a single address.",
    )

    class Meta:
        model = MyNetwork
        fields = ["id", "cidr", "note", "enabled", "open_relay_confirmation"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        cidr = attrs.get("cidr") or self.instance.cidr
        given = attrs.get("open_relay_confirmation", getattr(self.instance, "open_relay_confirmation", ""))
        if is_open_relay(cidr) and given != cidr:
            message = f"{cidr} lets strangers send through this server. If that is meant, repeat it here."
            raise serializers.ValidationError({"open_relay_confirmation": [message]})
        return super().validate(attrs)


class NetworkFilter(filters.FilterSet):
    search = WordsFilter(fields=["note"])

    class Meta:
        model = MyNetwork
        fields = {"enabled": ["exact"]}


class NetworkViewSet(NaturalKeyViewSet):
    """My networks, addressed by network or by id: /networks/192.0.2.0/24/."""

    resource = "networks"
    key_field = "cidr"
    lookup_url_kwarg = "cidr"
    ids_are_keys = True
    lookup_value_regex = r"[^/]+(?:/\d{1,3})?"
    queryset = MyNetwork.objects.all()
    serializer_class = NetworkSerializer
    filterset_class = NetworkFilter
    ordering = ["cidr"]
    ordering_fields = ["cidr", "enabled"]

    def normal(self, key: str) -> str:
        return network_key(key)

    def find_by_key(self, key: str) -> Any:
        try:
            return self.get_queryset().filter(cidr=parse_network(key))
        except ModelValidationError:
            return self.get_queryset().none()
