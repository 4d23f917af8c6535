"""The tables of the outbound queue. Only mailcore.queue writes them; the panel reads.

A message is here while at least one of its recipients waits; what became of the others is in the trace.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class QueueMessage(models.Model):
    """A message this host has promised to pass on. Its content is the spool file named by the queue id."""

    queue_id = models.CharField(max_length=32, unique=True)
    sender = models.CharField(max_length=320, blank=True, help_text="Empty: the null reverse-path of a report.")
    size = models.BigIntegerField(help_text="Bytes on the wire.")
    content_offset = models.PositiveIntegerField(default=0, help_text="Bytes of the spool file before what is sent.")
    received_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ret = models.CharField(max_length=4, blank=True)
    envid = models.CharField(max_length=100, blank=True)
    smtputf8 = models.BooleanField(default=False)
    body_8bit = models.BooleanField(default=False)
    message_id = models.CharField(max_length=998, blank=True)
    client = models.CharField(max_length=320, blank=True)
    account = models.CharField(max_length=320, blank=True, help_text="Who submitted it, after logging in.")
    delay_warned = models.BooleanField(default=False)

    class Meta:
        db_table = "queue_message"
        ordering = ["-received_at"]
        indexes = [
            models.Index(fields=["received_at"], name="queue_message_received"),
            models.Index(fields=["sender"], name="queue_message_sender"),
        ]

    def __str__(self) -> str:
        return self.queue_id


class QueueRecipient(models.Model):
    """One recipient who still waits for a queued message."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        LEASED = "leased", "being sent"
        HELD = "held", "on hold"

    message = models.ForeignKey(QueueMessage, on_delete=models.CASCADE, related_name="recipients")
    address = models.CharField(max_length=320)
    original = models.CharField(max_length=320, help_text="As the client gave it, before aliases.")
    notify = models.CharField(max_length=64, blank=True)
    orcpt = models.CharField(max_length=500, blank=True)
    destination = models.CharField(max_length=253)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    next_attempt_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    unfinished_attempts = models.PositiveIntegerField(
        db_default=0,
        help_text="Attempts since the last outcome that ended with an error of our own, or with the worker.",
    )
    lease = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_relay = models.CharField(max_length=320, blank=True)
    last_reply = models.TextField(blank=True)

    class Meta:
        db_table = "queue_recipient"
        ordering = ["next_attempt_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="leased", lease__isnull=False, lease_until__isnull=False)
                | (Q(state__in=["waiting", "held"]) & Q(lease__isnull=True)),
                name="queue_recipient_lease_goes_with_state",
            ),
        ]
        # Every claim writes a new version of the row into each of these that is not partial. lease_until is in none, so
        # that prolonging a lease need not touch them.
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], condition=Q(state="waiting"), name="queue_recipient_due"),
            models.Index(
                fields=["destination", "next_attempt_at", "id"],
                condition=Q(state="waiting"),
                name="queue_recipient_due_there",
            ),
            models.Index(fields=["lease"], condition=Q(state="leased"), name="queue_recipient_lease"),
            models.Index(fields=["destination"], name="queue_recipient_destination"),
            models.Index(fields=["address"], name="queue_recipient_address"),
        ]

    def __str__(self) -> str:
        return self.address
