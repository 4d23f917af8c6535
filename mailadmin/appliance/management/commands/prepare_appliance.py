"""`manage.py prepare_appliance`: everything between an empty database and a server that somebody can log in to.

Safe to run any number of times. The schema is brought up to date and static files are collected each time; the first
domain, the server's names and the administrator are made only where there is neither a domain nor an account yet.
"""

import fcntl
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from mailadmin.appliance.configuration import Configuration
from mailadmin.appliance.home import keys_home
from mailadmin.appliance.preparation import note_static_files, static_files_changed
from mailadmin.directory.models import Account, Domain
from mailadmin.directory.services import create_system_aliases, save_domain
from mailadmin.transport.models import ServerSettings


class Command(BaseCommand):
    """Migrates, makes the first domain and administrator, collects static files."""

    help = "Migrate, create the first domain and the administrator, collect static files. Safe to repeat."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-static", action="store_true", help="Static files are part of the image already.")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        configuration = Configuration.from_environment()
        if not Domain.objects.exists() and not Account.objects.exists():
            create_first_rows(configuration.domain, keys_home(configuration.home).secret("admin_password", 12))
        if not options["no_static"]:
            collect_static_files(Path(settings.STATIC_ROOT))


def collect_static_files(root: Path) -> None:
    """Collect and compress them, where they have changed. One process at a time: appliances may share the folder."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if static_files_changed(root):
            call_command("collectstatic", verbosity=0, interactive=False, skip_checks=True)
            note_static_files(root)


@transaction.atomic
def create_first_rows(domain_name: str, password: str) -> Account:
    """The server's names, its first domain, and an administrator who receives what postmaster is sent."""
    ServerSettings.objects.update_or_create(
        id=1,
        defaults={"myhostname": f"mail.{domain_name}", "mydomain": domain_name, "myorigin": domain_name},
    )
    domain = save_domain(Domain(name=domain_name, kind=Domain.Kind.LOCAL))
    account = Account.objects.create_superuser(f"admin@{domain_name}", password, display_name="Administrator")
    create_system_aliases(domain)
    return account
