"""What each running process says of itself (mailcore.db.status)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models


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
