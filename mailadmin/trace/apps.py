"""App configuration."""

from django.apps import AppConfig


class TraceConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "mailadmin.trace"
    verbose_name = "Message trace"
