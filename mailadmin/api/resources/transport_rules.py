"""/transport-rules/: where mail for some recipients, or of some senders, goes instead of the general way."""

from collections.abc import Mapping
from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers

from mailadmin.api.fields import RelayHostField, address_key, domain_key
from mailadmin.api.filters import WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.transport.models import TransportRule


def match_key(text: str) -> str:
    """The form in which a match is stored: "*", a domain, ".domain" or an address."""
    stripped = text.strip()
    if "@" in stripped:
        return address_key(stripped)
    dot = "." if stripped.startswith(".") else ""
    return dot + domain_key(stripped.removeprefix("."))


class MatchField(serializers.CharField):
    """A match in lower case. Syntax is checked by the model's validator."""

    def to_internal_value(self, data: Any) -> str:
        return match_key(super().to_internal_value(data))


class TransportRuleSerializer(ResourceSerializer):
    """A rule: what matches, and the relay host that gets it (null: directly, by MX)."""

    match = MatchField(
        max_length=320,
        validators=TransportRule._meta.get_field("match").validators,
        help_text="example.org, .example.org (its subdomains), user@example.org or *; the most exact match counts.",
    )
    relayhost = RelayHostField(required=False, allow_null=True)

    class Meta:
        model = TransportRule
        fields = ["id", "match", "direction", "relayhost", "enabled", "note"]
        # The model's own constraint says it with the sentence people should read.
        validators: list[Any] = []


class TransportRuleFilter(filters.FilterSet):
    search = WordsFilter(fields=["match", "note", "relayhost__host"])

    class Meta:
        model = TransportRule
        fields = {"match": ["exact"], "direction": ["exact"], "enabled": ["exact"]}


DIRECTION = OpenApiParameter(
    "direction",
    enum=TransportRule.Direction.values,
    default=TransportRule.Direction.RECIPIENT,
    description="Which of the two rules with this match is meant.",
)


@extend_schema_view(
    retrieve=extend_schema(parameters=[DIRECTION]),
    update=extend_schema(parameters=[DIRECTION]),
    partial_update=extend_schema(parameters=[DIRECTION]),
    destroy=extend_schema(parameters=[DIRECTION]),
)
class TransportRuleViewSet(NaturalKeyViewSet):
    """Transport rules, addressed by id or by match: /transport-rules/example.org/?direction=recipient."""

    resource = "transport-rules"
    key_field = "match"
    lookup_url_kwarg = "match"
    ids_are_keys = True
    queryset = TransportRule.objects.select_related("relayhost")
    serializer_class = TransportRuleSerializer
    filterset_class = TransportRuleFilter
    ordering = ["match", "direction"]
    ordering_fields = ["match", "direction", "enabled"]

    def normal(self, key: str) -> str:
        return match_key(key)

    def find_by_key(self, key: str) -> Any:
        return super().find_by_key(key).filter(direction=self._direction())

    def body_with_key(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return {"direction": self._direction(), **super().body_with_key(key, body)}

    def _direction(self) -> str:
        direction = self.request.query_params.get("direction")
        if direction is None and self.request.method == "PUT":
            direction = self.request.data.get("direction")
        if direction is None:
            return TransportRule.Direction.RECIPIENT
        if direction not in TransportRule.Direction.values:
            raise serializers.ValidationError({"direction": ["recipient or sender."]})
        return str(direction)
