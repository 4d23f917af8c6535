"""/relayhosts/: other servers that take our mail."""

from collections.abc import Mapping
from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers

from mailadmin.api.filters import WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.transport.models import RelayHost
from mailadmin.transport.postfix_notation import NextHopNotation, NotationError, parse_next_hop
from mailadmin.transport.services import set_relay_password


class RelayHostSerializer(ResourceSerializer):
    """A relay host. `host` may be written in Postfix's notation; the password can be written but never read."""

    password = serializers.CharField(
        write_only=True,
        required=False,
        allow_blank=True,
        max_length=1024,
        trim_whitespace=False,
        help_text="Sealed before it is stored. Empty removes it; PUT and PATCH without one keep the old.",
    )
    notation = serializers.CharField(read_only=True, help_text="In Postfix's words: [host]:port, or host:port with MX.")
    has_password = serializers.SerializerMethodField()

    class Meta:
        model = RelayHost
        fields = [
            "id",
            "host",
            "port",
            "lookup_mx",
            "tls",
            "username",
            "password",
            "has_password",
            "note",
            "notation",
        ]

    def get_has_password(self, relay_host: RelayHost) -> bool:
        return bool(relay_host.sealed_password)

    def to_internal_value(self, data: Any) -> Any:
        host = data.get("host") if isinstance(data, Mapping) else None
        if isinstance(host, str) and ("[" in host or ":" in host):
            hop = _hop(host)
            data = {**data, "host": hop.host, "lookup_mx": hop.lookup_mx, "port": data.get("port", hop.port)}
        return super().to_internal_value(data)

    def validate_host(self, host: str) -> str:
        return _hop(host).host

    def apply(self, instance: RelayHost, values: dict[str, Any]) -> None:
        rest = dict(values)
        password = rest.pop("password", None)
        super().apply(instance, rest)
        if password is not None:
            set_relay_password(instance, password)


def _hop(text: str) -> NextHopNotation:
    try:
        return parse_next_hop(text)
    except NotationError as error:
        raise serializers.ValidationError({"host": [str(error)]}) from error


class RelayHostFilter(filters.FilterSet):
    search = WordsFilter(fields=["host", "username", "note"])

    class Meta:
        model = RelayHost
        fields = {"host": ["exact"], "port": ["exact"], "tls": ["exact"], "username": ["exact"]}


class RelayHostViewSet(NaturalKeyViewSet):
    """Relay hosts, addressed by id or in Postfix's notation: /relayhosts/[smtp.example.org]:587/."""

    resource = "relayhosts"
    key_field = "host"
    lookup_url_kwarg = "next_hop"
    ids_are_keys = True
    queryset = RelayHost.objects.all()
    serializer_class = RelayHostSerializer
    filterset_class = RelayHostFilter
    ordering = ["host", "port"]
    ordering_fields = ["host", "port", "tls"]

    def find_by_key(self, key: str) -> Any:
        try:
            hop = parse_next_hop(key)
        except NotationError:
            return self.get_queryset().none()
        same = self.get_queryset().filter(host__iexact=hop.host, port=hop.port, lookup_mx=hop.lookup_mx)
        return same.order_by("username", "pk")

    def body_with_key(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        hop = _hop(key)
        wanted = {"host": hop.host, "port": hop.port, "lookup_mx": hop.lookup_mx}
        for name, value in wanted.items():
            if name in body and body[name] not in (value, key):
                raise serializers.ValidationError({name: [f"The address of this request says {key}."]})
        return {**body, **wanted}
