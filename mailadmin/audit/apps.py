"""App configuration."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "mailadmin.audit"
    verbose_name = "Audit"
