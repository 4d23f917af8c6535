"""What happened to mail, as typed events. Written by mailcore.maillog in batches, off the reply's path."""

from __future__ import annotations

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Func
from django.db.models.functions import Lower


def Backwards(field: str) -> OpClass:
    """An address from its end, in lower case: the address and "@domain" are both a beginning of it."""
    return OpClass(Func(Lower(field), function="REVERSE", output_field=models.TextField()), name="text_pattern_ops")


class TraceEvent(models.Model):
    """One event of a message's or session's timeline (mailcore.maillog.event).

    The table is partitioned by week (migration 0003), its primary key in the database is (at, id).
    """

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
        # Each of them is written on the way of every message. Weeks are partitions, so there is little about time in
        # them: of one address and one week few rows are left to sort.
        indexes = [
            models.Index(fields=["queue_id"], condition=~models.Q(queue_id=""), name="trace_event_queue_id"),
            models.Index(fields=["session_id"], condition=~models.Q(session_id=""), name="trace_event_session_id"),
            # Not partial: PostgreSQL looks at the statistics of an expression only where its index has all rows.
            models.Index(Backwards("sender"), name="trace_event_sender"),
            models.Index(Backwards("recipient"), name="trace_event_recipient"),
            models.Index(fields=["message_id"], condition=~models.Q(message_id=""), name="trace_event_message_id"),
            models.Index(
                fields=["client_address"],
                condition=models.Q(client_address__isnull=False),
                name="trace_event_client",
            ),
            # What an administrator asks for and what seldom happens; the frequent kinds are found by their time.
            models.Index(
                fields=["kind", "at"],
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
