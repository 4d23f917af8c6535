"""The app that holds the appliance's commands. It has no models."""

from django.apps import AppConfig


class ApplianceConfig(AppConfig):
    """Listed in INSTALLED_APPS so that manage.py finds the commands."""

    name = "mailadmin.appliance"
    label = "appliance"
