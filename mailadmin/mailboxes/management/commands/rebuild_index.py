"""manage.py rebuild_index: restore the index from the stores; safe to run at any time, also beside running programs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailcore.errors import MailError
from mailcore.events import publish
from mailcore.identity import AccountRef
from mailcore.mailbox.rebuild import rebuild_account
from mailcore.store.storage import Storage


class Command(BaseCommand):
    help = (
        "Restore the mailbox index from the mail on disk. Messages that still match keep their UIDs; a mailbox gets a "
        "new UIDVALIDITY only if rows were lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", nargs="?", help="The account.")
        parser.add_argument("mailbox", nargs="?", help="Only this mailbox of it.")
        parser.add_argument("--all", action="store_true", help="All accounts.")
        parser.add_argument("--forget-cache", action="store_true", help="Parse every message anew when asked for.")

    def handle(self, *args: Any, **options: Any) -> None:
        storage = Storage(Path(settings.MAIL_HOME) / "mail")
        redis = publish.connect(settings.REDIS_URL)
        failed = []
        for account in self._accounts(options["address"], options["all"]):
            ref = AccountRef(account.pk, account.address, account.store, account.quota_bytes, account.quota_messages)
            try:
                done = rebuild_account(
                    raw_connection(), storage, ref, only=options["mailbox"], forget_cache=options["forget_cache"]
                )
            except MailError as error:
                self.stderr.write(f"{account.address}: {error}")
                failed.append(account.address)
                continue
            if options["mailbox"] and not done:
                raise CommandError(f"{account.address} has no mailbox {options['mailbox']!r}.")
            for mailbox in done:
                self.stdout.write(f"{account.address} {mailbox}")
            publish.mailbox_changed(redis, [mailbox.mailbox_id for mailbox in done])
        if failed:
            raise CommandError(f"Not rebuilt: {', '.join(failed)}")

    def _accounts(self, address: str | None, everyone: bool) -> Iterable[Account]:
        if bool(address) == everyone:
            raise CommandError("Give an address, or --all.")
        if everyone:
            return Account.objects.order_by("address").iterator()
        found = Account.objects.filter(address=(address or "").lower()).first()
        if found is None:
            raise CommandError(f"There is no account {address}.")
        return [found]
