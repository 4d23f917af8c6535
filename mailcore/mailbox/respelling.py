"""Mailboxes whose names are not in normal form C (RFC 5198): from before it was asked for, or made by other programs.

They are found by their own names, so nothing has to be done about them. Whoever wants them as all others gives them the
usual spelling here; where two mailboxes would then have one name both stay as they are, for a person to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index import statements
from mailcore.mailbox.account import rename_mailbox, set_subscribed, subscriptions
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class OddName:
    """One of them."""

    account: AccountRef
    name: str
    usual: str
    collides: bool
    """Has another mailbox of the account the same name in normal form?"""


def odd_names(conn: Connection, address: str | None = None) -> Sequence[OddName]:
    """Those of one account, or of all."""
    rows = conn.execute(statements.ODD_NAMES, {"address": address}).fetchall()
    return [OddName(AccountRef(*account), name, usual, collides) for *account, name, usual, collides in rows]


def respell(conn: Connection, storage: Storage, odd: OddName) -> list[int]:
    """Give it the usual name, to those below it too; subscriptions follow. Returns the ids of the mailboxes renamed.
    Raises MailboxExists, and what rename_mailbox raises.
    """
    with conn.transaction():
        renamed = rename_mailbox(conn, storage, odd.account, odd.name, odd.usual)
        if odd.name in subscriptions(conn, odd.account):
            conn.execute(statements.UNSUBSCRIBE, {"account_id": odd.account.id, "name": odd.name})
            set_subscribed(conn, odd.account, odd.usual, True)
        return renamed
