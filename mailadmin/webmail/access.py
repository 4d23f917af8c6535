"""How the viewer reaches mailboxes: as the logged-in account, on Django's own connection; its own, and those that
others share with it (docs/adr/0031).

Any other mailbox of somebody else is answered as if it did not exist: with the same 404.
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
from mailadmin.webmail.opened import Opened
from mailcore.events import publish
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.account import ensure_account, list_mailboxes
from mailcore.sharing import places
from mailcore.sharing.places import SharedMailbox
from mailcore.sharing.rights import LOOKUP, READ
from mailcore.store.storage import Storage


def storage() -> Storage:
    """The mail on disk."""
    return _storage(Path(settings.MAIL_HOME) / "mail")


def account_of(request: HttpRequest) -> AccountRef:
    """The logged-in account as mailcore knows it."""
    return reference(cast(Account, request.user))


def reference(account: Account) -> AccountRef:
    """An account as mailcore knows it."""
    return AccountRef(account.pk, account.address, account.store, account.quota_bytes, account.quota_messages)


def mailboxes_of(request: HttpRequest) -> list[MailboxRecord]:
    """All mailboxes of the logged-in account; a new account gets its first ones here."""
    account = account_of(request)
    ensure_account(raw_connection(), storage(), account)
    return list_mailboxes(raw_connection(), account)


def shared_with(request: HttpRequest) -> list[SharedMailbox]:
    """The mailboxes of others that the logged-in account knows of."""
    return places.shared_with(raw_connection(), account_of(request))


def opened_or_404(request: HttpRequest, mailbox_id: int, *needed: str) -> Opened:
    """A mailbox in which the logged-in account has these rights; if none is named, that of reading. Raises NotPermitted
    if the account may know that there is one.
    """
    return opened_by(account_of(request), mailbox_id, *needed)


def opened_by(reader: AccountRef, mailbox_id: int, *needed: str) -> Opened:
    """The same for any account."""
    row = Mailbox.objects.filter(pk=mailbox_id).values_list(*MailboxRecord._fields).first()
    if row is None:
        raise Http404("There is no such folder.")
    record = MailboxRecord._make(row)
    if record.account_id == reader.id:
        return Opened(record, reader, reader)
    owner = Account.objects.filter(pk=record.account_id).first()
    granted = places.rights_now(raw_connection(), reader, reference(owner), mailbox_id) if owner else ""
    if owner is None or not {LOOKUP, READ} & set(granted):
        raise Http404("There is no such folder.")
    return Opened(record, reference(owner), reader, granted).require(*needed or (READ,))


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
