"""/queue/: mail that still has to be passed on, and what an administrator may do with it."""

from typing import Any

from django.db.models import BigIntegerField, Count, OuterRef, Prefetch, QuerySet, Subquery
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiViewSet
from mailadmin.api.fields import address_key, domain_key
from mailadmin.api.filters import WordsFilter
from mailadmin.audit.record import Actor
from mailadmin.mailqueue.actions import DELETE, HOLD, RELEASE, RETRY, QueueDeed, act
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient

# A list shows the first recipients of a message; the rest can be had with ?recipient= or in the panel.
MAX_SHOWN_RECIPIENTS = 100


class QueueRecipientSerializer(serializers.ModelSerializer):
    """One recipient who still waits, with the last words of the remote server."""

    class Meta:
        model = QueueRecipient
        fields = [
            "address",
            "original",
            "destination",
            "state",
            "next_attempt_at",
            "attempts",
            "last_attempt_at",
            "last_relay",
            "last_reply",
        ]
        read_only_fields = fields


class QueueMessageSerializer(serializers.ModelSerializer):
    """A queued message."""

    recipient_count = serializers.IntegerField(read_only=True)
    recipients = QueueRecipientSerializer(many=True, read_only=True, source="shown_recipients")

    class Meta:
        model = QueueMessage
        fields = [
            "queue_id",
            "sender",
            "size",
            "received_at",
            "expires_at",
            "message_id",
            "client",
            "account",
            "delay_warned",
            "recipient_count",
            "recipients",
        ]
        read_only_fields = fields


class DeedSerializer(serializers.Serializer):
    """What is to be done: to all recipients of the message, or only to these."""

    recipients = serializers.ListField(
        child=serializers.CharField(max_length=320),
        required=False,
        min_length=1,
        max_length=1000,
        help_text="Only these addresses; all of the message if it is missing.",
    )


DONE = inline_serializer("QueueDeed", {"recipients": serializers.IntegerField(help_text="How many it applied to.")})


class QueueFilter(filters.FilterSet):
    state = filters.ChoiceFilter(
        field_name="recipients__state", choices=QueueRecipient.State.choices, method="by_recipient"
    )
    recipient = filters.CharFilter(field_name="recipients__address", method="by_recipient", max_length=320)
    destination = filters.CharFilter(field_name="recipients__destination", method="by_recipient", max_length=253)
    received_at = filters.IsoDateTimeFromToRangeFilter()
    search = WordsFilter(fields=["queue_id", "sender", "message_id"])

    class Meta:
        model = QueueMessage
        fields = {"queue_id": ["exact"], "sender": ["exact"], "message_id": ["exact"]}

    def by_recipient(self, queryset: QuerySet[QueueMessage], name: str, value: str) -> QuerySet[QueueMessage]:
        column = name.partition("__")[2]
        wanted = {"address": address_key, "destination": domain_key}.get(column, str)(value)
        if column == "address":
            column = "address__iexact"
        recipients = QueueRecipient.objects.filter(**{column: wanted}).values("message_id")
        return queryset.filter(pk__in=recipients)


class QueueViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """The queue: state, next attempt, attempts so far and the last remote reply of every recipient.

    Messages leave the queue with their last recipient; what became of them is in the trace.
    """

    resource = "queue"
    http_method_names = ["get", "post", "delete", "head"]
    lookup_field = "queue_id"
    lookup_value_regex = "[0-9A-Za-z]+"
    queryset = QueueMessage.objects.all()
    serializer_class = QueueMessageSerializer
    filterset_class = QueueFilter
    ordering = ["-received_at"]
    ordering_fields = ["received_at", "expires_at", "size", "sender", "queue_id", "recipient_count"]

    def get_queryset(self) -> QuerySet[QueueMessage]:
        waiting = QueueRecipient.objects.filter(message=OuterRef("pk")).order_by().values("message")
        counted = Subquery(waiting.annotate(number=Count("pk")).values("number"), output_field=BigIntegerField())
        shown = QueueRecipient.objects.order_by("next_attempt_at", "id")[:MAX_SHOWN_RECIPIENTS]
        first = Prefetch("recipients", shown, to_attr="shown_recipients")
        return QueueMessage.objects.annotate(recipient_count=counted).prefetch_related(first)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Forget the message and all its recipients. Nobody is told."""
        self._act(DELETE)
        return Response(status=204)

    @extend_schema(request=DeedSerializer, responses=DONE)
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, **kwargs: Any) -> Response:
        """Try waiting recipients again now. Held ones stay held."""
        return self._act(RETRY)

    @extend_schema(request=DeedSerializer, responses=DONE)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, **kwargs: Any) -> Response:
        """Keep recipients from being tried until they are released."""
        return self._act(HOLD)

    @extend_schema(request=DeedSerializer, responses=DONE)
    @action(detail=True, methods=["post"])
    def release(self, request: Request, **kwargs: Any) -> Response:
        """Let held recipients be tried again, now."""
        return self._act(RELEASE)

    @extend_schema(request=None, responses=DONE, filters=True)
    @action(detail=False, methods=["post"])
    def flush(self, request: Request, **kwargs: Any) -> Response:
        """Try all waiting recipients again now (postqueue -f); the list's filters narrow it down."""
        chosen = self.filter_queryset(QueueMessage.objects.annotate(recipient_count=Count("recipients")))
        ids = list(chosen.values_list("pk", flat=True))
        count = act(RETRY, Actor.of_request(request), "all", message_ids=ids) if ids else 0
        return Response({"recipients": count})

    def _act(self, deed: QueueDeed) -> Response:
        message = QueueMessage.objects.filter(queue_id=self.kwargs["queue_id"]).first()
        if message is None:
            raise NotFound("There is no such message in the queue; perhaps it has been delivered. See the trace.")
        meant = self._meant(message)
        count = act(deed, Actor.of_request(self.request), message.queue_id, **meant)
        return Response({"recipients": count})

    def _meant(self, message: QueueMessage) -> dict[str, list[int]]:
        if self.request.method == "DELETE" or not self.request.data:
            return {"message_ids": [message.pk]}
        body = DeedSerializer(data=self.request.data)
        body.is_valid(raise_exception=True)
        addresses = body.validated_data.get("recipients")
        if addresses is None:
            return {"message_ids": [message.pk]}
        ids = list(message.recipients.filter(address__in=addresses).values_list("pk", flat=True))
        if not ids:
            raise ValidationError({"recipients": ["None of these waits for this message."]})
        return {"recipient_ids": ids}
