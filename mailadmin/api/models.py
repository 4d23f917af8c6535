"""Tokens of the REST API: shown once, stored as a hash."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class ApiToken(models.Model):
    """A bearer token with scopes such as `accounts:write`; `admin` includes all."""

    name = models.CharField(max_length=100, unique=True, help_text="Who or what uses it.")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=64))
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "api_token"
        ordering = ["name"]
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__len__gte=1),
                name="api_token_has_scopes",
                violation_error_message="A token without scopes may do nothing: give it at least one.",
            )
        ]

    def __str__(self) -> str:
        return self.name
