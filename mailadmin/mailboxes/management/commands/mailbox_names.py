"""manage.py mailbox_names: mailboxes whose names are not in Unicode's normal form C, and those that look alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailcore.errors import MailboxNotFound, MailError
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
        for odd in found:
            self.stdout.write(self._about(odd, rename=options["rename"]))
        if not found:
            self.stdout.write("All names are in normal form.")

    def _about(self, odd: OddName, *, rename: bool) -> str:
        line = f"{odd.account.address} {odd.name!a}"
        if odd.collides:
            return f"{line}: would be one with another mailbox, {odd.usual!a}"
        return f"{line}: {self._rename(odd)}" if rename else f"{line}: not in normal form"

    def _rename(self, odd: OddName) -> str:
        try:
            renamed = respell(raw_connection(), Storage(Path(settings.MAIL_HOME) / "mail"), odd)
        except MailboxNotFound:
            return "renamed with the one above it"
        except MailError as error:
            return f"not renamed, {error}"
        redis = publish.connect(settings.REDIS_URL)
        publish.mailbox_changed(redis, renamed)
        publish.account_changed(redis, [odd.account.id])
        return f"renamed to {odd.usual!a}"
