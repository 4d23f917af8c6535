"""/domains/: which domains this server is responsible for."""

from typing import Any

from django.db.models import BigIntegerField, Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator

from mailadmin.api.fields import DomainNameField, domain_key, model_validators
from mailadmin.api.filters import WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.database import raw_connection
from mailadmin.directory.client_settings import dns_records
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.directory.services import create_system_aliases
from mailcore.config.loader import load_snapshot


class DomainSerializer(ResourceSerializer):
    """A domain. Its name is its key and does not change."""

    name = DomainNameField(
        max_length=253,
        validators=[*model_validators(Domain, "name"), UniqueValidator(Domain.objects.all())],
        help_text="The domain, for example example.org.",
    )
    alias_of = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Domain.objects.filter(kind=Domain.Kind.LOCAL),
        allow_null=True,
        required=False,
        help_text="The local domain whose addresses also exist here; only for the kind alias.",
    )
    account_count = serializers.IntegerField(read_only=True)
    alias_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = Domain
        fields = [
            "name",
            "kind",
            "alias_of",
            "enabled",
            "description",
            "account_count",
            "alias_count",
            "created_at",
        ]
        read_only_fields = ["created_at"]

    def validate_name(self, name: str) -> str:
        if self.instance is not None and name != self.instance.name:
            raise serializers.ValidationError("A domain is not renamed: create the new one and delete this one.")
        return name

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        stays_local = attrs.get("kind", Domain.Kind.LOCAL) == Domain.Kind.LOCAL
        if self.instance is not None and not stays_local and self.instance.accounts.exists():
            raise serializers.ValidationError({"kind": ["The domain has accounts, so it must stay local."]})
        return super().validate(attrs)

    def store(self, instance: Domain) -> None:
        # A new domain that somebody else made a moment ago is an error here, not an update.
        instance.save(force_insert=instance._state.adding)
        create_system_aliases(instance)


class DnsRecordSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One record that the zone of the domain should hold."""

    name = serializers.CharField(help_text="The whole name, without the dot at its end.")
    type = serializers.CharField()
    value = serializers.CharField(help_text="As in a zone file.")
    why = serializers.CharField()


class DomainFilter(filters.FilterSet):
    search = WordsFilter(fields=["name", "description"])

    class Meta:
        model = Domain
        fields = {"kind": ["exact"], "enabled": ["exact"], "alias_of": ["exact"]}


def _count(model: type[Account] | type[Alias]) -> Coalesce:
    rows = model.objects.filter(domain=OuterRef("pk")).order_by().values("domain")
    counted = Subquery(rows.annotate(number=Count("*")).values("number"), output_field=BigIntegerField())
    return Coalesce(counted, 0, output_field=BigIntegerField())


class DomainViewSet(NaturalKeyViewSet):
    """Domains: local (mailboxes are here), relay (passed on) and alias (another name of a local domain).

    A local domain is created together with its system aliases postmaster, abuse and root. A domain with accounts
    cannot be deleted: delete them first, and say what becomes of their mail.
    """

    resource = "domains"
    key_field = "name"
    lookup_url_kwarg = "name"
    queryset = Domain.objects.all()
    serializer_class = DomainSerializer
    filterset_class = DomainFilter
    ordering = ["name"]
    ordering_fields = ["name", "kind", "enabled", "created_at", "account_count", "alias_count"]

    def get_queryset(self) -> QuerySet[Domain]:
        rows = Domain.objects.select_related("alias_of")
        return rows.annotate(account_count=_count(Account), alias_count=_count(Alias))

    def normal(self, key: str) -> str:
        return domain_key(key)

    @extend_schema(responses=DnsRecordSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def dns(self, request: Request, **kwargs: Any) -> Response:
        """The DNS records to set for this domain: MX, SPF, DMARC, and those by which mail clients find their settings.

        Empty for a relay domain: its mail clients are elsewhere.
        """
        domain = self.get_object()
        is_ours = domain.kind != Domain.Kind.RELAY
        records = dns_records(domain.name, load_snapshot(raw_connection())) if is_ours else []
        return Response(DnsRecordSerializer(records, many=True).data)
