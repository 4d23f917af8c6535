"""manage.py mailbox_names: mailboxes whose names are not in Unicode's normal form C, and those that look alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailcore.errors import MailError
from mailcore.events import publish
from mailcore.mailbox.respelling import OddName, odd_names, respell
from mailcore.store.storage import Storage


class Command(BaseCommand):
    help = (
        "List mailboxes whose names are not in Unicode's normal form C. With --rename they get it, unless another "
        "mailbox has that name already."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", help="The account; without it all accounts.")
        parser.add_argument("--rename", action="store_true", help="Rename what collides with nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["address"].lower() if options["address"] else None
        if address and not Account.objects.filter(address=address).exists():
            raise CommandError(f"There is no account {address}.")
        found = odd_names(raw_connection(), address)
        renamed: list[tuple[int, str]] = []
        for odd in found:
            self.stdout.write(f"{odd.account.address} {odd.name!a}: {self._about(odd, renamed, options['rename'])}")
        if not found:
            self.stdout.write("All names are in normal form.")

    def _about(self, odd: OddName, renamed: list[tuple[int, str]], rename: bool) -> str:
        """What is said of a name. `renamed` are accounts and names that have been; those below come after them."""
        if any(odd.account.id == account_id and odd.name.startswith(f"{name}/") for account_id, name in renamed):
            return "renamed with the one above it"
        if odd.collides:
            return f"would be one with another mailbox, {odd.usual!a}"
        if not rename:
            return "not in normal form"
        try:
            changed = respell(raw_connection(), Storage(Path(settings.MAIL_HOME) / "mail"), odd)
        except MailError as error:
            return f"not renamed, {error}"
        renamed.append((odd.account.id, odd.name))
        redis = publish.connect(settings.REDIS_URL)
        publish.mailbox_changed(redis, changed)
        publish.account_changed(redis, [odd.account.id])
        return f"renamed to {odd.usual!a}"
