"""/rewrites/: addresses that are written differently on their way through (canonical_maps)."""

from django_filters import rest_framework as filters
from rest_framework.validators import UniqueValidator

from mailadmin.api.fields import AddressField, address_key, model_validators
from mailadmin.api.filters import WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.transport.models import SenderRewrite


class RewriteSerializer(ResourceSerializer):
    """A rewriting rule: an address or a whole "@domain", and what stands there instead."""

    pattern = AddressField(
        max_length=320,
        validators=[*model_validators(SenderRewrite, "pattern"), UniqueValidator(SenderRewrite.objects.all())],
    )

    class Meta:
        model = SenderRewrite
        fields = ["id", "pattern", "replacement", "applies_to", "enabled"]


class RewriteFilter(filters.FilterSet):
    search = WordsFilter(fields=["pattern", "replacement"])

    class Meta:
        model = SenderRewrite
        fields = {"applies_to": ["exact"], "enabled": ["exact"]}


class RewriteViewSet(NaturalKeyViewSet):
    """Address rewriting, addressed by id or by pattern: /rewrites/old@example.org/ or /rewrites/@example.org/."""

    resource = "rewrites"
    key_field = "pattern"
    lookup_url_kwarg = "pattern"
    ids_are_keys = True
    lookup_value_regex = r".*@[^/]+|\d+"
    queryset = SenderRewrite.objects.all()
    serializer_class = RewriteSerializer
    filterset_class = RewriteFilter
    ordering = ["pattern"]
    ordering_fields = ["pattern", "replacement", "applies_to", "enabled"]

    def normal(self, key: str) -> str:
        return address_key(key)
