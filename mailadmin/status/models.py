"""What each running process says of itself (mailcore.db.status) and of its clients (mailcore.db.sessions)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class ProcessStatus(models.Model):
    """A process that serves mail, refreshed by itself every two seconds."""

    role = models.CharField(max_length=32)
    number = models.PositiveIntegerField(default=0)
    host = models.CharField(max_length=253)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    generation = models.BigIntegerField(default=0)
    listening = ArrayField(models.TextField(), default=list)
    seen_at = models.DateTimeField()

    class Meta:
        db_table = "process_status"
        ordering = ["role", "number"]
        verbose_name_plural = "process statuses"
        constraints = [models.UniqueConstraint("host", "pid", name="process_status_unique")]

    def __str__(self) -> str:
        return f"{self.role}[{self.pid}]"


class ClientSession(models.Model):
    """A client that is logged in over IMAP or POP3. Written by the process that serves it; goes with its process."""

    host = models.CharField(max_length=253)
    pid = models.PositiveIntegerField()
    number = models.BigIntegerField()
    protocol = models.CharField(max_length=8)
    # Without a constraint: a session outlives its account until its process has ended it.
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="sessions", db_constraint=False
    )
    client_address = models.GenericIPAddressField("address")
    client_id = models.CharField("client", max_length=200, blank=True)
    tls = models.BooleanField("TLS")
    since = models.DateTimeField()
    mailbox = models.TextField(blank=True)
    idle_since = models.DateTimeField(null=True)
    app_password_id = models.BigIntegerField(null=True)
    end_wanted = models.CharField(max_length=100, blank=True)

    class Meta:
        db_table = "client_session"
        verbose_name = "connected client"
        constraints = [models.UniqueConstraint(fields=["host", "pid", "number"], name="client_session_unique")]
        indexes = [models.Index(fields=["host", "pid"], condition=~Q(end_wanted=""), name="client_session_ending")]

    def __str__(self) -> str:
        return f"{self.account_id} from {self.client_address}"
