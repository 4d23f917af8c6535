"""Who changed what, in the panel and through the API."""

from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Func
from django.db.models.functions import Upper


class AuditEntry(models.Model):
    """One change: the actor's name is kept as text, so that it outlives the account or token."""

    class Action(models.TextChoices):
        CREATED = "created", "created"
        CHANGED = "changed", "changed"
        DELETED = "deleted", "deleted"
        DID = "did", "did"

    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=400, help_text="An account, or `token NAME`.")
    client_address = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=8, choices=Action)
    object_type = models.CharField(max_length=64)
    object_key = models.CharField(max_length=400)
    changes = models.JSONField(default=dict, help_text="field -> [old, new]; secrets as ***.")

    class Meta:
        db_table = "audit_entry"
        ordering = ["-id"]
        verbose_name_plural = "audit log"
        indexes = [
            models.Index(fields=["at"], name="audit_entry_at"),
            models.Index(fields=["object_type", "object_key"], name="audit_entry_object"),
            GinIndex(
                OpClass(Upper("actor"), name="gin_trgm_ops"),
                OpClass(Upper("object_key"), name="gin_trgm_ops"),
                OpClass(
                    Upper(Func(F("client_address"), function="HOST", output_field=models.TextField())),
                    name="gin_trgm_ops",
                ),
                name="audit_entry_search",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_key}"
