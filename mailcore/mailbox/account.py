"""The mailboxes of an account: list, create, rename, delete, subscribe.

Store and index change together: first the account's lock, then mailbox rows, then the folders, then COMMIT. Names are
UTF-8 with "/" between levels; "INBOX" is written so whatever its case was.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import psycopg

from mailcore.errors import (
    CannotDeleteInbox,
    HasChildren,
    MailboxBelowItself,
    MailboxExists,
    MailboxNotFound,
    StoreUnavailable,
    TooManyMailboxes,
    TooManySubscriptions,
)
from mailcore.identity import AccountRef
from mailcore.index import statements
from mailcore.index.index import (
    expunge_rows,
    insert_copies,
    lock_mailboxes,
    message_rows,
    write_ledgers,
)
from mailcore.index.records import MailboxRecord
from mailcore.sharing import acl
from mailcore.store.base import MessageStore
from mailcore.store.layout import INBOX, SEPARATOR, canonical_name, normalised
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]

MOST_MAILBOXES = 10_000
MOST_SUBSCRIPTIONS = 10_000
"""Of an account; no quota counts them, and every LIST reads them all."""

# RFC 6154; what a new account starts with.
DEFAULT_MAILBOXES: Mapping[str, str] = MappingProxyType(
    {
        INBOX: "",
        "Drafts": "\\Drafts",
        "Sent": "\\Sent",
        "Junk": "\\Junk",
        "Trash": "\\Trash",
        "Archive": "\\Archive",
    }
)


def ensure_account(conn: Connection, storage: Storage, account: AccountRef) -> None:
    """Make INBOX, Drafts, Sent, Junk, Trash, Archive (special use, subscribed) unless the account has its mailboxes
    already; adopt folders other programs made. Cheap when there is nothing to do: call it at each login.
    """
    records = list_mailboxes(conn, account)
    known = {record.name for record in records}
    store = storage.store(account)
    is_present = store.is_present(INBOX)
    if not is_present and any(record.messages for record in records):
        raise StoreUnavailable("the account's folder is missing")
    # A delivery may have made INBOX before the first login.
    is_new = not known - {INBOX}
    wanted = dict.fromkeys(store.list_mailboxes(), "") | (dict(DEFAULT_MAILBOXES) if is_new else {})
    missing = {name: use for name, use in wanted.items() if name not in known}
    if not missing and is_present:
        return
    store.ensure_account()
    with conn.transaction():
        conn.execute(statements.LOCK_ACCOUNT, {"account_id": account.id})
        _insert(conn, account, missing)
        for name in missing:
            store.create_mailbox(name)
        # INBOX too, when a delivery has made it: clients that ask for what is subscribed would never show it.
        names = list(wanted if is_new else missing)
        conn.execute(statements.SUBSCRIBE, {"account_id": account.id, "names": names})


def list_mailboxes(conn: Connection, account: AccountRef) -> list[MailboxRecord]:
    """All mailboxes, INBOX first, then by name."""
    rows = conn.execute(statements.LIST_MAILBOXES, {"account_id": account.id}).fetchall()
    return list(map(MailboxRecord._make, rows))


def get_mailbox(conn: Connection, account: AccountRef, name: str) -> MailboxRecord:
    """One mailbox. Raises MailboxNotFound."""
    for spelling in spellings(name):
        if found := _find(conn, account, spelling):
            return found
    raise MailboxNotFound(name)


def create_mailbox(
    conn: Connection, storage: Storage, account: AccountRef, name: str, special_use: str = ""
) -> MailboxRecord:
    """Create a mailbox and those above it that are missing (RFC 3501 section 6.3.3); one trailing "/" is dropped.
    Raises MailboxExists, MailboxNameInvalid, TooManyMailboxes.
    """
    name = canonical_name(name.removesuffix(SEPARATOR))
    with conn.transaction():
        conn.execute(statements.LOCK_ACCOUNT, {"account_id": account.id})
        if _find(conn, account, name):
            raise MailboxExists(name)
        _create_missing(conn, storage.store(account), account, [*_above(name), name], {name: special_use})
        return get_mailbox(conn, account, name)


def delete_mailbox(
    conn: Connection, storage: Storage, account: AccountRef, name: str, *, leave_children: bool = False
) -> None:
    """Delete a mailbox and its messages. Those below it stay, if they may be left so; its name is then that of a level
    without mailbox (RFC 3501 section 6.3.4). Raises CannotDeleteInbox, MailboxNotFound, HasChildren.
    """
    if lookup_name(name) == INBOX:
        raise CannotDeleteInbox(name)
    _outlive_uidvalidity(conn, get_mailbox(conn, account, name))
    with conn.transaction():
        conn.execute(statements.LOCK_ACCOUNT, {"account_id": account.id})
        [ledger] = lock_mailboxes(conn, [get_mailbox(conn, account, name).id])
        record = ledger.record
        if not leave_children and any(
            other.name.startswith(record.name + SEPARATOR) for other in list_mailboxes(conn, account)
        ):
            raise HasChildren(record.name)
        conn.execute(statements.DELETE_MAILBOX, {"mailbox_id": record.id})
        storage.store(account).delete_mailbox(record.name)


def rename_mailbox(conn: Connection, storage: Storage, account: AccountRef, old: str, new: str) -> list[int]:
    """Rename a mailbox and those below it; of a level that is only there for those below it, just these. INBOX
    instead moves its messages to `new` and stays (RFC 3501 section 6.3.5). Raises MailboxNotFound, MailboxExists,
    MailboxBelowItself, MailboxNameInvalid, TooManyMailboxes. Returns the ids of those that have another name, or other
    messages, now.
    """
    new = canonical_name(new.removesuffix(SEPARATOR))
    for record in (each for each in list_mailboxes(conn, account) if each.name in spellings(old)):
        _outlive_uidvalidity(conn, record)
    with conn.transaction():
        conn.execute(statements.LOCK_ACCOUNT, {"account_id": account.id})
        existing = {record.name: record for record in list_mailboxes(conn, account)}
        old = _level_in(existing, old)
        if new in existing:
            raise MailboxExists(new)
        if old == INBOX:
            return _move_inbox(conn, storage.store(account), account, new)
        if new.startswith(old + SEPARATOR):
            raise MailboxBelowItself(new)
        renamed = {name: new + name[len(old) :] for name in existing if (name + SEPARATOR).startswith(old + SEPARATOR)}
        for name in renamed.values():
            if canonical_name(name) in existing:
                raise MailboxExists(name)
        _create_missing(conn, storage.store(account), account, _above(new), {})
        lock_mailboxes(conn, [existing[name].id for name in renamed])
        ids = [existing[name].id for name in renamed]
        conn.execute(statements.RENAME_MAILBOXES, {"mailbox_ids": ids, "names": list(renamed.values())})
        _rename_folders(storage.store(account), renamed)
        return ids


def subscriptions(conn: Connection, account: AccountRef) -> set[str]:
    """The names of LSUB."""
    return {row[0] for row in conn.execute(statements.SUBSCRIPTIONS, {"account_id": account.id})}


def set_subscribed(conn: Connection, account: AccountRef, name: str, subscribed: bool) -> None:
    """Put a name on the list of LSUB, or take it off. The mailbox need not exist (RFC 3501 section 6.3.6). Raises
    MailboxNameInvalid, TooManySubscriptions.
    """
    if subscribed:
        canonical = canonical_name(name.removesuffix(SEPARATOR))
        found = [each for each in spellings(name.removesuffix(SEPARATOR)) if _find(conn, account, each)]
        _subscribe(conn, account, [*found, canonical][0])
    else:
        for spelling in spellings(name):
            conn.execute(statements.UNSUBSCRIBE, {"account_id": account.id, "name": spelling})


def _subscribe(conn: Connection, account: AccountRef, name: str) -> None:
    with conn.transaction():
        conn.execute(statements.LOCK_ACCOUNT, {"account_id": account.id})
        is_new = conn.execute(statements.SUBSCRIBE, {"account_id": account.id, "names": [name]}).rowcount
        counted = conn.execute(statements.COUNT_SUBSCRIPTIONS, {"account_id": account.id}).fetchone()
        if is_new and counted and counted[0] > MOST_SUBSCRIPTIONS:
            raise TooManySubscriptions(f"{account.address}: {counted[0]}")


def ensure_inboxes(conn: Connection, account_ids: Sequence[int]) -> None:
    """Rows for INBOX where there is none; the folder comes with the first message."""
    conn.execute(
        statements.INSERT_MAILBOXES,
        {
            "account_ids": list(account_ids),
            "names": [INBOX] * len(account_ids),
            "special_uses": [""] * len(account_ids),
        },
    )


def _find(conn: Connection, account: AccountRef, name: str) -> MailboxRecord | None:
    row = conn.execute(statements.MAILBOX_BY_NAME, {"account_id": account.id, "name": name}).fetchone()
    return MailboxRecord._make(row) if row else None


def lookup_name(name: str) -> str:
    """As canonical_name, but a name that cannot exist is just not found."""
    return normalised(_as_text(name))


def spellings(name: str) -> tuple[str, ...]:
    """What a mailbox may be called in the index: its name in normal form, or as it is, as folders of other programs are
    called. Nearly always the same.
    """
    first, separator, rest = _as_text(name).partition(SEPARATOR)
    as_it_is = (INBOX if first.upper() == INBOX else first) + separator + rest
    return tuple(dict.fromkeys((lookup_name(name), as_it_is)))


def kept_name(conn: Connection, account: AccountRef, name: str) -> str:
    """What the mailbox is called in the index; costs a query only for names not in normal form."""
    normal, *other = spellings(name)
    return next((each for each in other if _find(conn, account, each) and not _find(conn, account, normal)), normal)


def _as_text(name: str) -> str:
    """PostgreSQL has no NUL in text, and no halves of surrogates."""
    return name.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _level_in(existing: Mapping[str, MailboxRecord], name: str) -> str:
    """The spelling of a mailbox, or of a level with mailboxes below it. Raises MailboxNotFound."""
    for spelling in spellings(name):
        if any((each + SEPARATOR).startswith(spelling + SEPARATOR) for each in existing):
            return spelling
    raise MailboxNotFound(name)


def _above(name: str) -> list[str]:
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(1, len(levels))]


def _insert(conn: Connection, account: AccountRef, names: Mapping[str, str]) -> None:
    conn.execute(
        statements.INSERT_MAILBOXES,
        {
            "account_ids": [account.id] * len(names),
            "names": list(names),
            "special_uses": list(names.values()),
        },
    )


def _create_missing(
    conn: Connection, store: MessageStore, account: AccountRef, names: Sequence[str], uses: Mapping[str, str]
) -> None:
    existing = {record.name for record in list_mailboxes(conn, account)}
    missing = {name: uses.get(name, "") for name in names if name not in existing}
    if not missing:
        return
    if len(existing) + len(missing) > MOST_MAILBOXES:
        raise TooManyMailboxes(f"{account.address}: {len(existing)}, and {len(missing)} more")
    _insert(conn, account, missing)
    # RFC 4314 section 4: who may read a mailbox may read what is made below it.
    above = {name: next((each for each in reversed(_above(name)) if each in existing), None) for name in missing}
    acl.inherit(conn, account.id, {name: parent for name, parent in above.items() if parent is not None})
    for name in missing:
        store.create_mailbox(name)


def _move_inbox(conn: Connection, store: MessageStore, account: AccountRef, new: str) -> list[int]:
    _create_missing(conn, store, account, [*_above(new), new], {})
    inbox, target = lock_mailboxes(conn, [get_mailbox(conn, account, name).id for name in (INBOX, new)])
    rows = message_rows(conn, inbox.record.id)
    placed = store.move(INBOX, [(row.store_key, row.as_flags(), row.internal_date) for row in rows], new)
    moved = [(row, each.key, each.size) for row, each in zip(rows, placed, strict=True) if each is not None]
    insert_copies(conn, inbox.record.id, target, moved)
    # What has no file stays, for the next comparison to judge.
    expunge_rows(conn, inbox, [row for row, _, _ in moved])
    write_ledgers(conn, [inbox, target])
    return [inbox.record.id, target.record.id]


def _rename_folders(store: MessageStore, renamed: Mapping[str, str]) -> None:
    done: list[tuple[str, str]] = []
    try:
        for old, new in renamed.items():
            store.rename_mailbox(old, new)
            done.append((old, new))
    except BaseException:
        for old, new in reversed(done):
            store.rename_mailbox(new, old)
        raise


def _outlive_uidvalidity(conn: Connection, record: MailboxRecord) -> None:
    """UIDVALIDITY is the second of creation. A name that becomes free must not be given out again within that second,
    or two mailboxes of one name would have the same (RFC 3501 section 2.3.1.1).
    """
    age = conn.execute(statements.SECONDS_SINCE, {"uidvalidity": record.uidvalidity}).fetchone()
    if age and 0 <= age[0] < 1:
        time.sleep(1.001 - age[0])
