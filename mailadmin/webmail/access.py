"""How the viewer reaches mailboxes: as the logged-in account, on Django's own connection, and only its own.

A mailbox of somebody else is looked up like one that does not exist: the answer is the same 404.
"""

from functools import lru_cache
from pathlib import Path
from typing import cast

import redis
from django.conf import settings
from django.http import Http404, HttpRequest

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailadmin.mailboxes.models import Mailbox
from mailcore.events import publish
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.account import ensure_account, list_mailboxes
from mailcore.store.storage import Storage


def storage() -> Storage:
    """The mail on disk."""
    return _storage(Path(settings.MAIL_HOME) / "mail")


def account_of(request: HttpRequest) -> AccountRef:
    """The logged-in account as mailcore knows it."""
    account = cast(Account, request.user)
    return AccountRef(account.pk, account.address, account.store, account.quota_bytes, account.quota_messages)


def mailboxes_of(request: HttpRequest) -> list[MailboxRecord]:
    """All mailboxes of the logged-in account; a new account gets its first ones here."""
    account = account_of(request)
    ensure_account(raw_connection(), storage(), account)
    return list_mailboxes(raw_connection(), account)


def mailbox_or_404(request: HttpRequest, mailbox_id: int) -> MailboxRecord:
    """One mailbox of the logged-in account."""
    rows = Mailbox.objects.filter(pk=mailbox_id, account_id=request.user.pk)
    row = rows.values_list(*MailboxRecord._fields).first()
    if row is None:
        raise Http404("There is no such folder.")
    return MailboxRecord._make(row)


def announce(*mailbox_ids: int) -> None:
    """Tell IMAP sessions and other windows that these mailboxes changed. Call it when the change is committed."""
    publish.mailbox_changed(_redis(settings.REDIS_URL), mailbox_ids)


def announce_account(account: AccountRef) -> None:
    """Tell them that the list of this account's mailboxes, or its subscriptions, changed."""
    publish.account_changed(_redis(settings.REDIS_URL), [account.id])


@lru_cache(maxsize=1)
def _storage(root: Path) -> Storage:
    return Storage(root)


@lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    return publish.connect(url)


def with_mailbox(mailboxes: list[MailboxRecord], special_use: str, name: str) -> MailboxRecord | None:
    """The mailbox with this special use, or else the one with this name."""
    by_use = next((mailbox for mailbox in mailboxes if mailbox.special_use == special_use), None)
    return by_use or next((mailbox for mailbox in mailboxes if mailbox.name == name), None)
