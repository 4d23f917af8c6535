"""/aliases/: addresses that stand for other addresses."""

from typing import Any

from django_filters import rest_framework as filters
from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from mailadmin.api.fields import AddressField, address_key, model_validators
from mailadmin.api.filters import DomainFilterField, WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.directory.alias_graph import find_loop
from mailadmin.directory.models import Alias, Domain
from mailadmin.directory.validators import validate_alias_target

MAX_TARGETS = 10_000


class AliasSerializer(ResourceSerializer):
    """An alias. `@example.org` catches what the domain does not know otherwise."""

    address = AddressField(
        max_length=320,
        validators=[*model_validators(Alias, "address"), UniqueValidator(Alias.objects.all())],
        help_text="sales@example.org, or @example.org for a catch-all.",
    )
    targets = serializers.ListField(
        child=serializers.CharField(max_length=1024, validators=[validate_alias_target]),
        min_length=1,
        max_length=MAX_TARGETS,
        help_text="Local or external addresses, other aliases, or :include:NAME of a list.",
    )
    domain = serializers.CharField(source="domain_id", read_only=True)

    class Meta:
        model = Alias
        fields = ["address", "targets", "enabled", "note", "is_system", "domain"]
        read_only_fields = ["is_system"]

    def validate_address(self, address: str) -> str:
        if self.instance is not None and address != self.instance.address:
            raise serializers.ValidationError("An alias is not renamed: create the new one and delete this one.")
        name = address.rpartition("@")[2]
        if self.instance is None and not Domain.objects.filter(name=name).exists():
            raise serializers.ValidationError(f"There is no domain {name}; create it first.")
        return address

    def validate_targets(self, targets: list[str]) -> list[str]:
        return list(dict.fromkeys(targets))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        address = attrs.get("address") or self.instance.address
        if loop := find_loop(address, attrs.get("targets", [])):
            raise serializers.ValidationError({"targets": [f"This leads back to itself: {' → '.join(loop)}."]})
        return super().validate(attrs)

    def apply(self, instance: Alias, values: dict[str, Any]) -> None:
        super().apply(instance, values)
        instance.domain_id = instance.address.rpartition("@")[2]


class AliasFilter(filters.FilterSet):
    domain = DomainFilterField()
    target = filters.CharFilter(method="by_target", label="One of the targets is this address", max_length=320)
    search = WordsFilter(fields=["address", "note"])

    class Meta:
        model = Alias
        fields = {"enabled": ["exact"], "is_system": ["exact"]}

    def by_target(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(targets__contains=[value])


class AliasViewSet(NaturalKeyViewSet):
    """Aliases: several targets, local or external, nested; `@domain` is the catch-all of a domain."""

    resource = "aliases"
    key_field = "address"
    lookup_url_kwarg = "address"
    lookup_value_regex = ".*@[^/]+"
    queryset = Alias.objects.all()
    serializer_class = AliasSerializer
    filterset_class = AliasFilter
    ordering = ["address"]
    # Only what an index answers: there may be a million, and the switch is a filter.
    ordering_fields = ["address"]

    def normal(self, key: str) -> str:
        return address_key(key)
