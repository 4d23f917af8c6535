"""/status/: the processes that serve mail, the configuration they run, and how full the queue is."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mailadmin.api.base import ApiView
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient
from mailadmin.status.models import ProcessStatus
from mailadmin.transport.models import ConfigGeneration
from mailcore.db.status import STALE_AFTER_S


class ProcessSerializer(serializers.ModelSerializer):
    """One process, as it last said of itself."""

    alive = serializers.SerializerMethodField(help_text="It has said so within the last seconds.")
    current = serializers.SerializerMethodField(help_text="It runs the newest configuration.")

    class Meta:
        model = ProcessStatus
        fields = [
            "role",
            "number",
            "host",
            "pid",
            "started_at",
            "seen_at",
            "generation",
            "listening",
            "alive",
            "current",
        ]
        read_only_fields = fields

    def get_alive(self, process: ProcessStatus) -> bool:
        return process.seen_at > timezone.now() - timedelta(seconds=STALE_AFTER_S)

    def get_current(self, process: ProcessStatus) -> bool:
        return process.generation >= self.context["generation"]


class QueueStatusSerializer(serializers.Serializer):
    """The queue in figures."""

    messages = serializers.IntegerField()
    waiting = serializers.IntegerField()
    leased = serializers.IntegerField()
    held = serializers.IntegerField()
    oldest_received_at = serializers.DateTimeField(allow_null=True)


class StatusSerializer(serializers.Serializer):
    """The state of the whole appliance."""

    generation = serializers.IntegerField(help_text="Counts committed configuration changes.")
    queue = QueueStatusSerializer()
    processes = ProcessSerializer(many=True)


class StatusView(ApiView):
    """What runs, since when, with which configuration, and how much mail waits."""

    resource = "status"
    http_method_names = ["get", "head"]

    @extend_schema(operation_id="status_retrieve", responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        """Read the status."""
        generation = ConfigGeneration.objects.values_list("generation", flat=True).first() or 0
        status = {"generation": generation, "queue": _queue(), "processes": ProcessStatus.objects.all()}
        return Response(StatusSerializer(status, context={"generation": generation}).data)


def _queue() -> dict[str, Any]:
    states = dict.fromkeys(QueueRecipient.State.values, 0)
    counted = QueueRecipient.objects.order_by().values("state").annotate(number=Count("pk"))
    states.update((row["state"], row["number"]) for row in counted)
    messages = QueueMessage.objects.aggregate(messages=Count("pk"), oldest_received_at=Min("received_at"))
    return {**messages, **states}
