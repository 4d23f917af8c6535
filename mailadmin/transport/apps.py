"""App configuration."""

from django.apps import AppConfig


class TransportConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "mailadmin.transport"
    verbose_name = "Transport"
