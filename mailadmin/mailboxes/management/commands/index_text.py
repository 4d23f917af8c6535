"""manage.py index_text: bring the search index up to date now, instead of leaving it to the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailcore.errors import MailError
from mailcore.identity import AccountRef
from mailcore.mailbox import indexing
from mailcore.mailbox.account import list_mailboxes
from mailcore.store.storage import Storage


class Command(BaseCommand):
    help = (
        "Index the text of all messages that no search knows yet. The worker does this by itself for mailboxes with "
        f"{indexing.TAIL} such messages; searches are right in any case, and quick when it is done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", help="The account.")
        parser.add_argument("--all", action="store_true", help="All accounts.")
        parser.add_argument("--anew", action="store_true", help="Forget the index of their mailboxes first.")

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["address"]) == options["all"]:
            raise CommandError("Give an address, or --all.")
        accounts = Account.objects.order_by("address")
        if options["address"]:
            accounts = accounts.filter(address=options["address"].lower())
        if options["address"] and not accounts:
            raise CommandError(f"There is no account {options['address']}.")
        storage = Storage(Path(settings.MAIL_HOME) / "mail")
        failed = [each.address for each in accounts.iterator() if not self._index(storage, each, anew=options["anew"])]
        if failed:
            raise CommandError(f"Not indexed: {', '.join(failed)}")

    def _index(self, storage: Storage, account: Account, *, anew: bool) -> bool:
        conn, ref = (
            raw_connection(),
            AccountRef(account.pk, account.address, account.store, account.quota_bytes, account.quota_messages),
        )
        try:
            for mailbox in list_mailboxes(conn, ref):
                if anew:
                    indexing.forget(conn, mailbox.id)
                blocks = 0
                while indexing.extend(conn, storage, ref, mailbox.id) or indexing.renew(conn, storage, ref, mailbox.id):
                    blocks += 1
                if blocks:
                    self.stdout.write(f"{account.address} {mailbox.name}: {mailbox.messages} messages")
        except MailError as error:
            self.stderr.write(f"{account.address}: {error}")
            return False
        return True
