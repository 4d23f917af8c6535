"""/settings/: the identity and limits of this server, one object."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiView
from mailadmin.api.fields import RelayHostField
from mailadmin.api.resources.networks import CidrSerializerField
from mailadmin.api.serializers import ResourceSerializer
from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of
from mailadmin.transport.models import ServerSettings
from mailadmin.transport.validators import validate_balancer


class ServerSettingsSerializer(ResourceSerializer):
    """The names are Postfix's parameter names where Postfix has one; plaintext_auth governs SMTP, IMAP and POP3."""

    relayhost = RelayHostField(
        required=False, allow_null=True, help_text="Where all other outbound mail goes; null: directly, by MX."
    )

    haproxy_trusted_networks = serializers.ListField(
        child=CidrSerializerField(max_length=64, validators=[validate_balancer]),
        required=False,
        help_text="Balancers that may connect to the PROXY ports and are believed who the client is.",
    )

    class Meta:
        model = ServerSettings
        exclude = ["id"]


class ServerSettingsView(ApiView):
    """The server's identity, limits and relayhost. A change is in force in every process within a second."""

    resource = "settings"
    http_method_names = ["get", "put", "patch", "head"]

    @extend_schema(operation_id="settings_retrieve", responses=ServerSettingsSerializer)
    def get(self, request: Request) -> Response:
        """Read the settings."""
        return Response(ServerSettingsSerializer(_settings()).data)

    @extend_schema(
        operation_id="settings_partial_update",
        request=ServerSettingsSerializer(partial=True),
        responses=ServerSettingsSerializer,
    )
    def patch(self, request: Request) -> Response:
        """Change some settings."""
        return self._change(request)

    @extend_schema(
        operation_id="settings_update",
        request=ServerSettingsSerializer(partial=True),
        responses=ServerSettingsSerializer,
    )
    def put(self, request: Request) -> Response:
        """The same as PATCH: settings that are not named stay as they are."""
        return self._change(request)

    def _change(self, request: Request) -> Response:
        with transaction.atomic():
            row = _settings(lock=True)
            before = values_of(row)
            serializer = ServerSettingsSerializer(row, data=request.data, partial=True, context={"request": request})
            serializer.is_valid(raise_exception=True)
            saved = serializer.save()
            record(Actor.of_request(request), AuditEntry.Action.CHANGED, saved, before, values_of(saved))
        return Response(ServerSettingsSerializer(saved).data)


def _settings(*, lock: bool = False) -> Any:
    rows = ServerSettings.objects.select_related("relayhost").filter(pk=1)
    row = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if row is None:
        raise NotFound("This server has not been set up yet.")
    return row
