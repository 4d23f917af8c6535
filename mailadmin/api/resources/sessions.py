"""/sessions/: who is connected over IMAP and POP3, and sending them away."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiViewSet
from mailadmin.api.fields import address_key
from mailadmin.api.filters import WordsFilter
from mailadmin.audit.record import Actor
from mailadmin.directory.models import Account
from mailadmin.status.admin import PROTOCOLS
from mailadmin.status.models import ClientSession
from mailadmin.status.sessions import SEARCHED, connected, end_account, end_chosen


class ClientSessionSerializer(serializers.ModelSerializer):
    """One session."""

    account = serializers.CharField(source="account.address", read_only=True)
    ending = serializers.SerializerMethodField(help_text="It has been told to end.")

    class Meta:
        model = ClientSession
        fields = [
            "id",
            "account",
            "protocol",
            "client_address",
            "client_id",
            "tls",
            "since",
            "mailbox",
            "idle_since",
            "host",
            "ending",
        ]
        read_only_fields = fields

    def get_ending(self, session: ClientSession) -> bool:
        return bool(session.end_wanted)


class EndSerializer(serializers.Serializer):
    """Whose sessions are to end."""

    account = serializers.CharField(max_length=320, help_text="An address.")


ENDED = inline_serializer("EndedSessions", {"sessions": serializers.IntegerField(help_text="How many will end.")})


class ClientSessionFilter(filters.FilterSet):
    account = filters.CharFilter(field_name="account__address", method="by_account", max_length=320)
    protocol = filters.ChoiceFilter(choices=[(name, name) for name in PROTOCOLS])
    search = WordsFilter(fields=SEARCHED, label="Words that occur in account, client_id, client_address or mailbox")

    class Meta:
        model = ClientSession
        fields = {"tls": ["exact"], "host": ["exact"]}

    def by_account(self, queryset: QuerySet[ClientSession], name: str, value: str) -> QuerySet[ClientSession]:
        return queryset.filter(account__address=address_key(value))


class ClientSessionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Clients that are logged in over IMAP or POP3; at most two seconds old."""

    resource = "sessions"
    http_method_names = ["get", "post", "delete", "head"]
    lookup_value_regex = "[0-9]{1,18}"
    queryset = ClientSession.objects.all()
    serializer_class = ClientSessionSerializer
    filterset_class = ClientSessionFilter
    ordering = ["-since"]
    ordering_fields = ["since", "idle_since", "protocol", "client_id"]

    def get_queryset(self) -> QuerySet[ClientSession]:
        return connected().select_related("account")

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """End the session: it says good-bye within three seconds. The client may come back."""
        end_chosen(Actor.of_request(request), [self.get_object()])
        return Response(status=204)

    @extend_schema(request=EndSerializer, responses=ENDED)
    @action(detail=False, methods=["post"])
    def end(self, request: Request, **kwargs: Any) -> Response:
        """End all sessions of an account."""
        body = EndSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        account = Account.objects.filter(address=address_key(body.validated_data["account"])).first()
        if account is None:
            raise NotFound("There is no such account.")
        return Response({"sessions": end_account(Actor.of_request(request), account.pk, str(account))})
