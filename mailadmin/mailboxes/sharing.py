"""Who else may use a mailbox, as an administrator gives and takes it: one place for the panel and the API.

The rules are those of SETACL (mailcore.sharing.acl); here are the audit log, and the hint to sessions that have the
mailbox open.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import redis
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record_deed
from mailadmin.database import raw_connection
from mailadmin.mailboxes.models import Mailbox, MailboxAcl
from mailcore.errors import AclTooLong, IdentifierInvalid
from mailcore.events import publish
from mailcore.identity import AccountRef
from mailcore.sharing import acl, rights
from mailcore.sharing.acl import Identifier

USUAL = "lrs"
NOBODY = "The address of another account here, “anyone” or “authenticated”; a “-” in front of it denies."


def share(actor: Actor, mailbox: Mailbox, identifier: str, letters: Iterable[str]) -> MailboxAcl:
    """Give these rights, in place of what the identifier had. Raises ValidationError with a sentence by field."""
    granted = rights.read("".join(letters))
    if not granted:
        raise ValidationError({"rights": "Choose at least one right; to end a share, delete it."})
    try:
        who = Identifier.parse(identifier.strip())
        with transaction.atomic():
            before = _rights_of(mailbox, who)
            acl.change(raw_connection(), _owner(mailbox), mailbox.pk, who, granted)
            _record(actor, mailbox, who, before, granted)
    except IdentifierInvalid:
        raise ValidationError({"identifier": NOBODY}) from None
    except AclTooLong:
        raise ValidationError({"identifier": "This mailbox has as many shares as it may have."}) from None
    return MailboxAcl.objects.get(mailbox=mailbox, identifier=who.name, negative=who.negative)


def unshare(actor: Actor, entry: MailboxAcl) -> None:
    """Take away what an entry gives."""
    who = Identifier(entry.identifier, entry.negative)
    with transaction.atomic():
        acl.remove(raw_connection(), entry.mailbox_id, who)
        _record(actor, entry.mailbox, who, entry.rights, "")


def _owner(mailbox: Mailbox) -> AccountRef:
    account = mailbox.account
    return AccountRef(account.pk, account.address, account.store)


def _rights_of(mailbox: Mailbox, who: Identifier) -> str:
    found = MailboxAcl.objects.filter(mailbox=mailbox, identifier=who.name, negative=who.negative).first()
    return found.rights if found else ""


def _record(actor: Actor, mailbox: Mailbox, who: Identifier, before: str, after: str) -> None:
    if before == after:
        return
    action = AuditEntry.Action
    deed = action.CREATED if not before else action.DELETED if not after else action.CHANGED
    record_deed(actor, deed, "share", f"{mailbox.account} {mailbox.name} for {who}", {"rights": [before, after]})
    concerned = acl.concerned(raw_connection(), _owner(mailbox), who)
    transaction.on_commit(lambda: _announce(mailbox, concerned))


def _announce(mailbox: Mailbox, account_ids: list[int]) -> None:
    client = _redis(settings.REDIS_URL)
    publish.mailbox_changed(client, [mailbox.pk])
    publish.account_changed(client, account_ids)


@lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    return publish.connect(url)
