"""/trace/: what became of a message, or of mail that was refused before it became one."""

from dataclasses import fields
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiView
from mailadmin.api.pagination import MAX_LIMIT
from mailadmin.database import raw_connection
from mailadmin.trace import queries
from mailadmin.trace.criteria import OUTCOMES, Criteria

SENTENCES = {
    "client": "An IP address or a network.",
    "outcome": f"One of {', '.join(OUTCOMES)}.",
    "queue_id": "A queue id.",
}


class CriteriaSerializer(serializers.Serializer):
    """What to look for: all of it must be true of the same message."""

    sender = serializers.CharField(max_length=320, required=False, help_text="An address, or @domain.")
    recipient = serializers.CharField(max_length=320, required=False, help_text="An address, or @domain.")
    client = serializers.CharField(max_length=64, required=False, help_text="The client's address, or a network.")
    client_address = serializers.CharField(
        max_length=64, required=False, help_text="`client`, by its name in the answer."
    )
    queue_id = serializers.CharField(max_length=32, required=False)
    message_id = serializers.CharField(max_length=998, required=False, help_text="With or without angle brackets.")
    outcome = serializers.ChoiceField(OUTCOMES, required=False)
    anything = serializers.CharField(
        max_length=998, required=False, help_text="An address or a Message-ID, wherever it stands."
    )
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=queries.PAGE)
    cursor = serializers.CharField(max_length=200, required=False, help_text="`next_cursor` of the page before.")


class EventSerializer(serializers.Serializer):
    """One event: what was decided or done, and the rule that made it so."""

    at = serializers.DateTimeField()
    kind = serializers.CharField()
    queue_id = serializers.CharField()
    session_id = serializers.CharField()
    client_address = serializers.CharField(allow_null=True)
    client_name = serializers.CharField()
    sender = serializers.CharField()
    recipient = serializers.CharField()
    message_id = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    rule = serializers.CharField()
    reply = serializers.CharField()
    relay = serializers.CharField()
    tls = serializers.CharField()
    delay_s = serializers.FloatField(allow_null=True)
    detail = serializers.DictField()


class TracedMessageSerializer(serializers.Serializer):
    """One message, or one refusal (then `queue_id` is empty and `session_id` leads further)."""

    queue_id = serializers.CharField()
    session_id = serializers.CharField(source="event.session_id")
    state = serializers.CharField(help_text="What became of it, the most worrying first.")
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()
    sender = serializers.CharField()
    recipients = serializers.ListField(child=serializers.CharField())
    recipient_count = serializers.IntegerField()
    message_id = serializers.CharField()
    size = serializers.IntegerField(allow_null=True)
    client_address = serializers.CharField(allow_null=True)
    counts = serializers.DictField(child=serializers.IntegerField(allow_null=True))
    rule = serializers.CharField(source="event.rule")
    reply = serializers.CharField(source="event.reply")


class TracePageSerializer(serializers.Serializer):
    """A page of a search, newest first."""

    results = TracedMessageSerializer(many=True, source="messages")
    next_cursor = serializers.CharField(allow_null=True, help_text="null on the last page.")


class TimelineSerializer(serializers.Serializer):
    """Everything that happened, in order."""

    key = serializers.CharField()
    summary = TracedMessageSerializer(allow_null=True)
    report_of = serializers.CharField(help_text="The queue id of the message this one reports about, or empty.")
    cut = serializers.BooleanField(help_text="There was too much to show.")
    events = EventSerializer(many=True)


class TraceView(ApiView):
    """Search the trace. Mail refused before DATA is in it too."""

    resource = "trace"
    http_method_names = ["get", "head"]

    @extend_schema(operation_id="trace_list", parameters=[CriteriaSerializer], responses=TracePageSerializer)
    def get(self, request: Request) -> Response:
        """Search by sender, recipient, client, queue id, Message-ID, outcome and time."""
        wanted = CriteriaSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        values = dict(wanted.validated_data)
        limit, cursor = values.pop("limit"), values.pop("cursor", None)
        if address := values.pop("client_address", ""):
            values.setdefault("client", address)
        try:
            page = queries.search(raw_connection(), _criteria(values), cursor=cursor, limit=limit)
        except queries.CursorInvalid as error:
            raise ValidationError({"cursor": ["This is no cursor of ours."]}) from error
        except ValueError as error:
            field = str(error)
            raise ValidationError({field: [SENTENCES.get(field, "This cannot be searched for.")]}) from error
        return Response(TracePageSerializer(page).data)


class TimelineView(ApiView):
    """The life of one message: every decision with its rule, every attempt with the remote host's words."""

    resource = "trace"
    http_method_names = ["get", "head"]

    @extend_schema(operation_id="trace_retrieve", responses=TimelineSerializer)
    def get(self, request: Request, queue_id: str) -> Response:
        """The timeline of a message by its queue id."""
        return _timeline(queries.timeline(raw_connection(), queue_id))


SESSION_ID = OpenApiParameter("session_id", location=OpenApiParameter.PATH, description="From an event.")


class SessionView(ApiView):
    """Everything one client did in one connection: of refused mail, this is all there is."""

    resource = "trace"
    http_method_names = ["get", "head"]

    @extend_schema(operation_id="trace_session_retrieve", parameters=[SESSION_ID], responses=TimelineSerializer)
    def get(self, request: Request, session_id: str) -> Response:
        """The timeline of a session."""
        return _timeline(queries.session_timeline(raw_connection(), session_id))


def _timeline(found: queries.Timeline | None) -> Response:
    if found is None:
        raise NotFound("Nothing is known about it (any more).")
    return Response(TimelineSerializer(found).data)


def _criteria(values: dict[str, Any]) -> Criteria:
    known = {field.name for field in fields(Criteria)}
    return Criteria(**{name: value for name, value in values.items() if name in known})
