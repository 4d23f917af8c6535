"""App configuration."""

from django.apps import AppConfig


class MailQueueConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "mailadmin.mailqueue"
    verbose_name = "Queue"
