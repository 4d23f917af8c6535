"""/tokens/: the API's own keys. Only for the scope admin."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiViewSet
from mailadmin.api.filters import WordsFilter
from mailadmin.api.models import ApiToken
from mailadmin.api.permissions import HasAdminScope
from mailadmin.api.scopes import ALL_SCOPES
from mailadmin.api.tokens import create_token
from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of


class TokenSerializer(serializers.ModelSerializer):
    """A token without its text, which nobody can read any more."""

    scopes = serializers.ListField(child=serializers.ChoiceField(sorted(ALL_SCOPES)), min_length=1, max_length=64)

    class Meta:
        model = ApiToken
        fields = ["id", "name", "scopes", "enabled", "created_at", "expires_at", "last_used_at"]
        read_only_fields = ["created_at", "last_used_at"]

    def validate_expires_at(self, moment: Any) -> Any:
        if moment is not None and moment <= timezone.now():
            raise serializers.ValidationError("This moment has passed.")
        return moment


class NewTokenSerializer(TokenSerializer):
    """A token when it is made: the only time its text is shown."""

    token = serializers.CharField(read_only=True, help_text="Keep it: it is shown only now.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class TokenFilter(filters.FilterSet):
    search = WordsFilter(fields=["name"])

    class Meta:
        model = ApiToken
        fields = {"name": ["exact"], "enabled": ["exact"]}


class TokenViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Tokens: made with scopes, shown once, disabled or deleted at any time."""

    resource = "tokens"
    http_method_names = ["get", "post", "patch", "delete", "head"]
    permission_classes = [HasAdminScope]
    lookup_value_regex = r"\d{1,18}"
    queryset = ApiToken.objects.all()
    serializer_class = TokenSerializer
    filterset_class = TokenFilter
    ordering = ["name"]
    ordering_fields = ["name", "created_at", "last_used_at", "expires_at"]

    @extend_schema(request=TokenSerializer, responses={201: NewTokenSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make a token. Its text is in the answer, and nowhere else ever again."""
        body = TokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            wanted = body.validated_data
            token, text = create_token(wanted["name"], wanted["scopes"], wanted.get("expires_at"))
            if not wanted.get("enabled", True):
                token.enabled = False
                token.save(update_fields=["enabled"])
            record(Actor.of_request(request), AuditEntry.Action.CREATED, token, {}, values_of(token))
        return Response({**TokenSerializer(token).data, "token": text}, status=201)

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change the name, scopes, expiry, or whether it is enabled."""
        with transaction.atomic():
            token = self.get_object()
            before = values_of(token)
            body = TokenSerializer(token, data=request.data, partial=True)
            body.is_valid(raise_exception=True)
            saved = body.save()
            record(Actor.of_request(request), AuditEntry.Action.CHANGED, saved, before, values_of(saved))
        return Response(TokenSerializer(saved).data)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete the token; what uses it is refused from now on."""
        with transaction.atomic():
            token = self.get_object()
            record(Actor.of_request(request), AuditEntry.Action.DELETED, token, values_of(token), {})
            token.delete()
        return Response(status=204)
