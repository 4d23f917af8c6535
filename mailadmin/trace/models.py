"""What happened to mail, as typed events. Written by mailcore.maillog in batches, off the reply's path."""

from __future__ import annotations

from django.db import models


class TraceEvent(models.Model):
    """One event of a message's or session's timeline (mailcore.maillog.event)."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=32)
    queue_id = models.CharField(max_length=32, blank=True)
    session_id = models.CharField(max_length=32, blank=True)
    client_address = models.GenericIPAddressField(null=True)
    client_name = models.TextField(blank=True)
    sender = models.TextField(blank=True)
    recipient = models.TextField(blank=True)
    message_id = models.TextField(blank=True)
    size = models.BigIntegerField(null=True)
    rule = models.TextField(blank=True)
    reply = models.TextField(blank=True)
    relay = models.TextField(blank=True)
    tls = models.TextField(blank=True)
    delay_s = models.FloatField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        db_table = "trace_event"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["at"], name="trace_event_at"),
            models.Index(fields=["queue_id", "id"], condition=~models.Q(queue_id=""), name="trace_event_queue_id"),
            models.Index(
                fields=["session_id", "id"], condition=~models.Q(session_id=""), name="trace_event_session_id"
            ),
            models.Index(fields=["sender", "id"], condition=~models.Q(sender=""), name="trace_event_sender"),
            models.Index(fields=["recipient", "id"], condition=~models.Q(recipient=""), name="trace_event_recipient"),
            models.Index(
                fields=["message_id", "id"], condition=~models.Q(message_id=""), name="trace_event_message_id"
            ),
            models.Index(fields=["client_address", "id"], name="trace_event_client"),
            # What an administrator asks for and what seldom happens; the frequent kinds are found by their time.
            models.Index(
                fields=["kind", "at", "id"],
                condition=models.Q(kind__in=["refused", "deferred", "bounced", "auth_failed"]),
                name="trace_event_rare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.queue_id or self.session_id}"


class TrafficHour(models.Model):
    """Counts of events per hour, for the chart of the dashboard and for /metrics."""

    pk = models.CompositePrimaryKey("hour", "kind")
    hour = models.DateTimeField()
    kind = models.CharField(max_length=32)
    count = models.BigIntegerField(default=0)

    class Meta:
        db_table = "traffic_hour"

    def __str__(self) -> str:
        return f"{self.hour} {self.kind} {self.count}"
