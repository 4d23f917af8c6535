"""The app that holds the appliance's commands. It has no models."""

from typing import Any

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ApplianceConfig(AppConfig):
    """Listed in INSTALLED_APPS so that manage.py finds the commands."""

    name = "mailadmin.appliance"
    label = "appliance"

    def ready(self) -> None:
        """Told once by each `manage.py migrate`, and that only of an app with models."""
        post_migrate.connect(say_what_runs_on, sender=apps.get_app_config("directory"))


def say_what_runs_on(*, plan: Any, verbosity: int, stdout: Any, **_: Any) -> None:
    """Programs that run do not notice that somebody migrates by hand. The appliance itself is silent when it does."""
    if not plan or verbosity < 1:
        return
    from django.conf import settings

    from mailadmin.appliance.state import Lock

    lock = Lock(settings.MAIL_HOME)
    if lock.is_held():
        stdout.write(
            f"\nThe appliance (pid {lock.holder()}) runs on with the programs of before, which may not understand this "
            "database.\nStart it anew: manage.py appliance stop, then manage.py appliance.\n"
        )
