"""/oauth-issuers/: whose access tokens open mailboxes here (RFC 7628)."""

from typing import Any

from django.db import transaction
from django_filters import rest_framework as filters
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.validators import UniqueValidator

from mailadmin.api.base import ApiViewSet
from mailadmin.api.fields import model_validators
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of
from mailadmin.directory.models import OauthIssuer


class OauthIssuerSerializer(ResourceSerializer):
    """An issuer with the address of its keys, or the keys themselves as a JWK set."""

    issuer = serializers.CharField(
        max_length=500,
        validators=[UniqueValidator(OauthIssuer.objects.all())],
        help_text="As the claim iss says it, letter by letter.",
    )
    jwks = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=100_000,
        validators=model_validators(OauthIssuer, "jwks"),
        help_text="A JWK set as text, when the issuer publishes none.",
    )

    class Meta:
        model = OauthIssuer
        fields = ["id", "issuer", "audience", "jwks_url", "jwks", "address_claim", "enabled"]


class OauthIssuerFilter(filters.FilterSet):
    class Meta:
        model = OauthIssuer
        fields = {"issuer": ["exact"], "enabled": ["exact"]}


class OauthIssuerViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """OAuth issuers. While there is none, no mail program is offered OAUTHBEARER or XOAUTH2."""

    resource = "settings"
    http_method_names = ["get", "post", "patch", "delete", "head"]
    lookup_value_regex = r"\d{1,18}"
    queryset = OauthIssuer.objects.all()
    serializer_class = OauthIssuerSerializer
    filterset_class = OauthIssuerFilter
    ordering = ["issuer"]
    ordering_fields = ["issuer", "audience"]

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Trust an issuer."""
        return self._save(None, request, 201)

    @transaction.atomic
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change it."""
        return self._save(self.get_object(), request, 200)

    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Trust it no more; its tokens open nothing from the next login on."""
        found = self.get_object()
        record(Actor.of_request(request), AuditEntry.Action.DELETED, found, values_of(found), {})
        found.delete()
        return Response(status=204)

    @transaction.atomic
    def _save(self, found: OauthIssuer | None, request: Request, status: int) -> Response:
        before = values_of(found)
        body: BaseSerializer[Any] = OauthIssuerSerializer(found, data=request.data, partial=found is not None)
        body.is_valid(raise_exception=True)
        saved = body.save()
        action = AuditEntry.Action.CHANGED if found else AuditEntry.Action.CREATED
        record(Actor.of_request(request), action, saved, before, values_of(saved))
        return Response(OauthIssuerSerializer(saved).data, status=status)
