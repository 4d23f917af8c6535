"""/accounts/: who has a mailbox and a login here."""

from decimal import Decimal
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.validators import UniqueValidator

from mailadmin.api.fields import AddressField, NetworksField, address_key, model_validators
from mailadmin.api.filters import DomainFilterField, WordsFilter
from mailadmin.api.natural_key import NaturalKeyViewSet
from mailadmin.api.permissions import is_admin
from mailadmin.api.problems import Conflict
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.directory.last_logins import unused_for, with_last_login
from mailadmin.directory.mail_files import remove_mail_after_commit
from mailadmin.directory.models import Account, AccountLogin, Domain

KEEP_MAIL = OpenApiParameter(
    "keep_mail",
    OpenApiTypes.BOOL,
    description="false also removes the account's messages from the disk. The default, true, leaves them there.",
    default=True,
)
NEEDS_ADMIN = "This needs the scope admin."


class LastLoginSerializer(serializers.ModelSerializer):
    """The last login over one protocol, to the minute."""

    protocol = serializers.ChoiceField(choices=["imap", "pop3", "smtp", "web"], read_only=True)

    class Meta:
        model = AccountLogin
        fields = ["protocol", "at", "client_address"]
        read_only_fields = fields


class AccountSerializer(ResourceSerializer):
    """An account. Its address is its key and does not change; the password can be written but never read."""

    address = AddressField(
        max_length=320,
        validators=[*model_validators(Account, "address"), UniqueValidator(Account.objects.all())],
        help_text="The mail address, which is also the login name.",
    )
    password = serializers.CharField(
        write_only=True,
        required=False,
        max_length=1024,
        trim_whitespace=False,
        help_text="Stored as an argon2 hash. Without one nobody can log in; PUT and PATCH without one keep the old.",
    )
    skip_password_validation = serializers.BooleanField(
        write_only=True, default=False, help_text="Take a password that the rules would refuse; needs the scope admin."
    )
    quota_bytes = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0, help_text="0 means unlimited.")
    quota_messages = serializers.IntegerField(
        min_value=0, max_value=2**63 - 1, default=0, help_text="0 means unlimited."
    )
    login_networks = NetworksField(
        default=list, help_text="Networks from which this account may log in; empty: from anywhere."
    )
    domain = serializers.CharField(source="domain_id", read_only=True)
    used_bytes = serializers.SerializerMethodField(help_text="What the account's messages occupy.")
    message_count = serializers.SerializerMethodField()
    last_login = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="The latest over all protocols and the web, to the minute."
    )
    last_logins = LastLoginSerializer(
        source="logins", many=True, read_only=True, help_text="One for each protocol that was ever used."
    )

    class Meta:
        model = Account
        fields = [
            "address",
            "password",
            "skip_password_validation",
            "display_name",
            "quota_bytes",
            "quota_messages",
            "enabled",
            "store",
            "allow_imap",
            "allow_pop3",
            "allow_smtp",
            "app_passwords_only",
            "login_networks",
            "is_staff",
            "is_superuser",
            "domain",
            "used_bytes",
            "message_count",
            "last_login",
            "last_logins",
            "created_at",
        ]
        read_only_fields = ["created_at"]
        kept_on_replace = ["is_staff", "is_superuser", "store"]

    def get_used_bytes(self, account: Account) -> int:
        return account.usage.bytes if hasattr(account, "usage") else 0

    def get_message_count(self, account: Account) -> int:
        return account.usage.messages if hasattr(account, "usage") else 0

    def validate_address(self, address: str) -> str:
        if self.instance is not None and address != self.instance.address:
            raise serializers.ValidationError("An account's address does not change: create a new account.")
        name = address.rpartition("@")[2]
        if self.instance is None and not Domain.objects.filter(name=name, kind=Domain.Kind.LOCAL).exists():
            raise serializers.ValidationError(f"There is no local domain {name}; create it first.")
        return address

    def validate_store(self, store: str) -> str:
        if self.instance is not None and store != self.instance.store and self.get_message_count(self.instance):
            raise serializers.ValidationError("The account has mail: change its format with manage.py convert_store.")
        return store

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        skip = attrs.pop("skip_password_validation", False)
        self._check_rights(attrs, skip=skip)
        password = attrs.pop("password", None)
        super().validate(attrs)
        if password is not None:
            if not skip:
                self._check_password(password, attrs)
            attrs["password"] = password
        if self.instance is not None and not (attrs.get("enabled", True) and attrs.get("is_superuser", True)):
            refuse_to_lock_out(self.instance)
        return attrs

    def apply(self, instance: Account, values: dict[str, Any]) -> None:
        rest = dict(values)
        password = rest.pop("password", None)
        super().apply(instance, rest)
        instance.domain_id = instance.address.rpartition("@")[2]
        if password is not None:
            instance.set_password(password)
        elif not instance.password:
            instance.set_unusable_password()

    def _check_rights(self, attrs: dict[str, Any], *, skip: bool) -> None:
        raised = [
            name
            for name in ("is_staff", "is_superuser")
            if name in attrs and attrs[name] != bool(getattr(self.instance, name, False))
        ]
        if not (skip or raised or _is_privileged(self.instance)):
            return
        if not is_admin(self.context["request"]):
            raise PermissionDenied(NEEDS_ADMIN)

    def _check_password(self, password: str, attrs: dict[str, Any]) -> None:
        account = Account(address=attrs.get("address") or getattr(self.instance, "address", ""))
        try:
            validate_password(password, account)
        except ModelValidationError as error:
            raise serializers.ValidationError({"password": error.messages}) from error


class AccountFilter(filters.FilterSet):
    domain = DomainFilterField()
    search = WordsFilter(fields=["address", "display_name"])
    unused_days = filters.NumberFilter(
        method="unused", label="Made before that many days, and not used since", min_value=1, max_value=36_500
    )

    class Meta:
        model = Account
        fields = {
            "enabled": ["exact"],
            "store": ["exact"],
            "allow_imap": ["exact"],
            "allow_pop3": ["exact"],
            "allow_smtp": ["exact"],
            "is_staff": ["exact"],
            "quota_bytes": ["exact", "gte", "lte"],
        }

    def unused(self, accounts: QuerySet[Account], name: str, days: Decimal) -> QuerySet[Account]:
        return unused_for(accounts, int(days))


def _is_privileged(account: Account | None) -> bool:
    return account is not None and (account.is_staff or account.is_superuser)


def refuse_to_lock_out(account: Account) -> None:
    """Somebody must be left who can use the panel."""
    others = Account.objects.filter(is_superuser=True, enabled=True).exclude(pk=account.pk)
    if account.is_superuser and not others.exists():
        raise Conflict(f"{account} is the last administrator.")


class AccountViewSet(NaturalKeyViewSet):
    """Accounts: address, password, quota, protocols, and how the mail lies on disk.

    The domain must exist and be local. Accounts of administrators can only be changed with the scope admin.
    """

    resource = "accounts"
    key_field = "address"
    lookup_url_kwarg = "address"
    lookup_value_regex = ".+@[^/]+"
    queryset = with_last_login(Account.objects.select_related("usage").prefetch_related("logins"))
    serializer_class = AccountSerializer
    filterset_class = AccountFilter
    ordering = ["address"]
    ordering_fields = ["address", "created_at", "quota_bytes", "last_login", "enabled"]

    def normal(self, key: str) -> str:
        return address_key(key)

    @extend_schema(parameters=[KEEP_MAIL])
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._keep_mail()
        return super().destroy(request, *args, **kwargs)

    def perform_destroy(self, instance: Account) -> None:
        if _is_privileged(instance) and not is_admin(self.request):
            raise PermissionDenied(NEEDS_ADMIN)
        refuse_to_lock_out(instance)
        keep, address = self._keep_mail(), instance.address
        instance.delete()
        if not keep:
            remove_mail_after_commit(address)

    def _keep_mail(self) -> bool:
        text = self.request.query_params.get("keep_mail", "true").lower()
        if text not in {"true", "false", "1", "0"}:
            raise ValidationError({"keep_mail": ["true or false."]})
        return text in {"true", "1"}
