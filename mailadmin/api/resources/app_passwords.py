"""/app-passwords/: the passwords of single devices. Their text is in the answer that makes one, and nowhere else."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import transaction
from django.http import Http404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiViewSet
from mailadmin.api.fields import AddressField, NetworksField, address_key
from mailadmin.api.permissions import is_admin
from mailadmin.audit.record import Actor
from mailadmin.directory.app_passwords import PROTOCOLS, make_app_password, revoke_app_password
from mailadmin.directory.models import Account, AppPassword

NEEDS_ADMIN = "App passwords of administrators need the scope admin."


class AppPasswordSerializer(serializers.ModelSerializer):
    """An app password without its text, which nobody can read any more."""

    account = AddressField(max_length=320, source="account.address", help_text="Whose it is.")
    protocols = serializers.ListField(
        child=serializers.ChoiceField(PROTOCOLS), default=list(PROTOCOLS), min_length=1, max_length=len(PROTOCOLS)
    )
    networks = NetworksField(default=list, help_text="Networks in which it works; empty: anywhere.")
    last_used_at = serializers.DateTimeField(source="use.last_at", read_only=True, allow_null=True, default=None)
    last_used_from = serializers.IPAddressField(
        source="use.last_address", read_only=True, allow_null=True, default=None
    )

    class Meta:
        model = AppPassword
        fields = ["id", "account", "name", "protocols", "networks", "created_at", "last_used_at", "last_used_from"]
        read_only_fields = ["created_at"]

    def to_representation(self, instance: AppPassword) -> dict[str, Any]:
        instance.protocols = [name for name in PROTOCOLS if getattr(instance, f"allow_{name}")]  # type: ignore[attr-defined]
        return super().to_representation(instance)

    def validate_name(self, name: str) -> str:
        if not name.isprintable():
            raise serializers.ValidationError("A name of printable characters.")
        return name


class NewAppPasswordSerializer(AppPasswordSerializer):
    """An app password when it is made: the only time its text is shown."""

    password = serializers.CharField(read_only=True, help_text="Keep it: it is shown only now.")

    class Meta(AppPasswordSerializer.Meta):
        fields = [*AppPasswordSerializer.Meta.fields, "password"]


class AppPasswordFilter(filters.FilterSet):
    account = filters.CharFilter(method="of_account", help_text="The address of the account.")

    class Meta:
        model = AppPassword
        fields = ["account"]

    def of_account(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(account__address=address_key(value))


class AppPasswordViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """App passwords: made for one device, shown once, revoked by deleting them."""

    resource = "accounts"
    http_method_names = ["get", "post", "delete", "head"]
    lookup_value_regex = r"\d{1,18}"
    queryset = AppPassword.objects.select_related("account", "use")
    serializer_class = AppPasswordSerializer
    filterset_class = AppPasswordFilter
    ordering = ["id"]
    ordering_fields = ["id", "created_at"]

    @extend_schema(request=AppPasswordSerializer, responses={201: NewAppPasswordSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make an app password. Its text is in the answer, and nowhere else ever again."""
        body = AppPasswordSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        account = Account.objects.filter(address=wanted["account"]["address"]).first()
        if account is None:
            raise serializers.ValidationError({"account": ["There is no such account."]})
        self._check_rights(account)
        try:
            made, secret = make_app_password(
                Actor.of_request(request), account, wanted["name"], wanted["protocols"], wanted["networks"]
            )
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return Response({**AppPasswordSerializer(made).data, "password": secret}, status=201)

    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Revoke it: it opens nothing any more."""
        try:
            found = self.get_object()
        except OverflowError as error:
            raise Http404 from error
        self._check_rights(found.account)
        revoke_app_password(Actor.of_request(request), found)
        return Response(status=204)

    def _check_rights(self, account: Account) -> None:
        if (account.is_staff or account.is_superuser) and not is_admin(self.request):
            raise PermissionDenied(NEEDS_ADMIN)
