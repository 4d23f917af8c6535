"""`manage.py hand_out_keys FOLDER`: the last step before programs run as separate users or containers.

Makes the database roles (deploy/roles.sql), gives each a random password, and writes for each program a folder with
exactly the keys it needs: database_url, redis_url, and secret_key where passwords are unsealed or sessions signed.
Existing passwords stay as they are, so that running programs keep working.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from psycopg import sql

from mailadmin.appliance.home import CODE, Home, write_private
from mailadmin.database import raw_connection

# Folder of the keys, database role, and whether its programs need the secret key.
RECIPIENTS = (
    ("web", "mail_web", True),
    ("smtpd", "mail_smtpd", False),
    ("accessd", "mail_accessd", False),
    ("queue", "mail_queue", True),
)


class Command(BaseCommand):
    """Roles, passwords, key files."""

    help = "Make the database roles of deploy/roles.sql and write each program's keys into a folder of its own."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="Gets the folders web, smtpd, accessd and queue.")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        connection.ensure_connection()
        with transaction.atomic():
            raw_connection().execute((CODE / "deploy" / "roles.sql").read_bytes())
            for name, role, needs_secret_key in RECIPIENTS:
                hand_out(folder / name, role, with_secret_key=needs_secret_key)


def hand_out(folder: Path, role: str, *, with_secret_key: bool) -> None:
    """One recipient's password and files."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = Home(folder).secret("database_password")
    # Utility statements take no parameters; the literal is quoted by psycopg.
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
    raw_connection().execute(statement)
    write_private(folder / "database_url", f"{with_login(settings.DATABASE_URL, role, password)}\n", mode=0o440)
    write_private(folder / "redis_url", f"{settings.REDIS_URL}\n", mode=0o440)
    if with_secret_key:
        write_private(folder / "secret_key", f"{settings.SECRET_KEY}\n", mode=0o440)


def with_login(url: str, user: str, password: str) -> str:
    """The same server and database, somebody else."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{host}"))
