"""manage.py convert_store: Maildir <-> mbox for one account, keeping UIDs, flags and dates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailcore.errors import MailError
from mailcore.events import publish
from mailcore.identity import AccountRef
from mailcore.mailbox.convert import Converted, convert, undo
from mailcore.store.storage import Storage


class Command(BaseCommand):
    help = (
        "Convert the mail of one account to Maildir or mbox. UIDs, flags and dates stay. Meanwhile mail to the account "
        "is deferred and its sessions wait. The old store is put aside, not removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="The account.")
        parser.add_argument("store", choices=["maildir", "mbox"], help="What it is to become.")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(address=options["address"].lower()).first()
        if account is None:
            raise CommandError(f"There is no account {options['address']}.")
        storage = Storage(Path(settings.MAIL_HOME) / "mail")
        ref = AccountRef(account.pk, account.address, account.store, account.quota_bytes, account.quota_messages)
        try:
            converted = self._convert(storage, ref, options["store"])
        except MailError as error:
            raise CommandError(f"Nothing was changed: {error}") from error
        if converted is None:
            self.stdout.write(f"{account.address} is {options['store']} already.")
            return
        for name, count in converted.messages.items():
            self.stdout.write(f"{account.address} {name}: {count} messages")
        self.stdout.write(f"The old store is kept as {converted.old_store}")
        publish.mailbox_changed(publish.connect(settings.REDIS_URL), converted.mailbox_ids)

    def _convert(self, storage: Storage, account: AccountRef, target: str) -> Converted | None:
        converted = None
        try:
            with transaction.atomic():
                converted = convert(raw_connection(), storage, account, target)
                Account.objects.filter(pk=account.id).update(store=target)
        except BaseException:
            if converted is not None:
                undo(storage, account, target, converted)
            raise
        return converted
