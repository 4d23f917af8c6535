"""/shares/: which mailbox of whom is open to whom (RFC 4314). What people set with SETACL in their mail program is here
too.
"""

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
from mailadmin.api.fields import address_key
from mailadmin.api.permissions import is_admin
from mailadmin.audit.record import Actor
from mailadmin.directory.models import Account
from mailadmin.mailboxes.models import Mailbox, MailboxAcl
from mailadmin.mailboxes.sharing import share, unshare

NEEDS_ADMIN = "Mailboxes of administrators are shared by the scope admin."


class ShareSerializer(serializers.ModelSerializer):
    """A share: somebody's rights in a mailbox of somebody else."""

    owner = serializers.CharField(
        max_length=320, source="mailbox.account.address", help_text="The account whose mailbox it is."
    )
    mailbox = serializers.CharField(
        max_length=1000, source="mailbox.name", help_text="INBOX, Work/2026: the owner's name for it."
    )
    identifier = serializers.CharField(
        max_length=321,
        source="who",
        help_text="An account's address, `anyone` or `authenticated`; with `-` in front the rights are taken away.",
    )
    rights = serializers.RegexField(
        r"^[lrswipkxteacd]{1,13}$", help_text="Letters of RFC 4314 section 2.1, such as lrs."
    )
    in_words = serializers.CharField(source="allows", read_only=True, help_text="The rights as people read them.")

    class Meta:
        model = MailboxAcl
        fields = ["id", "owner", "mailbox", "identifier", "rights", "in_words"]
        validators: list[Any] = []  # what is there already gets other rights


class ShareFilter(filters.FilterSet):
    owner = filters.CharFilter(
        field_name="mailbox__account__address",
        method="of_owner",
        help_text="The address of the account whose mailboxes they are.",
    )
    identifier = filters.CharFilter(method="for_identifier", help_text="With whom they are shared.")

    class Meta:
        model = MailboxAcl
        fields = ["owner", "identifier"]

    def of_owner(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(mailbox__account__address=address_key(value))

    def for_identifier(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(identifier=address_key(value) if "@" in value else value.lower())


class ShareViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Shared mailboxes. Posting what is there already gives it other rights; deleting ends the share."""

    resource = "accounts"
    http_method_names = ["get", "post", "delete", "head"]
    lookup_value_regex = r"\d{1,18}"
    queryset = MailboxAcl.objects.select_related("mailbox__account")
    serializer_class = ShareSerializer
    filterset_class = ShareFilter
    ordering = ["id"]
    ordering_fields = ["id", "identifier"]

    @extend_schema(responses={201: ShareSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Share a mailbox, or change what a share allows."""
        body = ShareSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        of = {
            "account__address": address_key(wanted["mailbox"]["account"]["address"]),
            "name": wanted["mailbox"]["name"],
        }
        mailbox = Mailbox.objects.select_related("account").filter(**of).first()
        if mailbox is None:
            raise serializers.ValidationError({"mailbox": ["This account has no such mailbox."]})
        self._check_rights(mailbox.account)
        try:
            entry = share(Actor.of_request(request), mailbox, wanted["who"], wanted["rights"])
        except ModelValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return Response(ShareSerializer(entry).data, status=201)

    @transaction.atomic
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End it; in force at once."""
        try:
            found = self.get_object()
        except OverflowError as error:
            raise Http404 from error
        self._check_rights(found.mailbox.account)
        unshare(Actor.of_request(request), found)
        return Response(status=204)

    def _check_rights(self, owner: Account) -> None:
        """Who may read an administrator's mail may become one."""
        if (owner.is_staff or owner.is_superuser) and not is_admin(self.request):
            raise PermissionDenied(NEEDS_ADMIN)
