"""Who is connected: the sessions of IMAP and POP3 in client_session, written by their processes, read by the panel.

A process writes what has changed and learns which of its sessions shall end, in one statement every two seconds; what
has not changed is not written again. The table is UNLOGGED: after a crash of PostgreSQL, and on a replica that was
promoted, it is empty, and the time the server was started tells processes to write everything anew. Rows go with the
process's row in process_status. Triggers end the sessions of an account that is disabled or may not use the protocol or
the network any more, those that began with a password it has no more or may no longer use, and those of an app password
that is revoked; a session that is written only after that ends at once.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

MOST_CLIENT_ID = 200
HASH_END = 16
"""Characters, as in TELL: 96 bits of an argon2 hash, which is new with each password."""
REVOKED = "App password revoked"
DISABLED = "Account disabled"
DELETED = "Account deleted"
CHANGED = "Password changed"
NOT_ALLOWED = " is no longer allowed for this account"

TELL = """
WITH told AS (
    INSERT INTO client_session (host, pid, number, protocol, account_id, client_address, client_id, tls, since,
        mailbox, idle_since, app_password_id, end_wanted)
    SELECT %(host)s, %(pid)s, s.number, s.protocol, s.account_id, s.client_address, s.client_id, s.tls, s.since,
        s.mailbox, s.idle_since, nullif(s.app_password_id, 0),
        CASE WHEN a.id IS NULL THEN 'Account deleted' WHEN NOT a.enabled THEN 'Account disabled'
        WHEN NOT CASE s.protocol WHEN 'imap' THEN a.allow_imap ELSE a.allow_pop3 END
            THEN upper(s.protocol) || ' is no longer allowed for this account'
        WHEN a.login_networks <> '{}' AND NOT s.client_address <<= ANY (a.login_networks)
            THEN 'Your network is no longer allowed for this account'
        WHEN s.app_password_id <> 0 THEN CASE WHEN p.id IS NULL THEN 'App password revoked' ELSE '' END
        WHEN s.hash_end <> '' AND s.hash_end <> right(a.password, 16) THEN 'Password changed'
        WHEN a.app_passwords_only THEN 'Your own password is no longer allowed for this account' ELSE '' END
    FROM unnest(%(numbers)s::bigint[], %(protocols)s::text[], %(account_ids)s::bigint[], %(addresses)s::inet[],
        %(client_ids)s::text[], %(tls)s::boolean[], %(since)s::timestamptz[], %(mailboxes)s::text[],
        %(idle_since)s::timestamptz[], %(app_password_ids)s::bigint[], %(hash_ends)s::text[])
        AS s (number, protocol, account_id, client_address, client_id, tls, since, mailbox, idle_since, app_password_id,
            hash_end)
    LEFT JOIN account a ON a.id = s.account_id LEFT JOIN app_password p ON p.id = s.app_password_id
    ON CONFLICT (host, pid, number) DO UPDATE SET account_id = EXCLUDED.account_id, client_id = EXCLUDED.client_id,
        tls = EXCLUDED.tls, mailbox = EXCLUDED.mailbox, idle_since = EXCLUDED.idle_since,
        app_password_id = EXCLUDED.app_password_id,
        end_wanted = CASE EXCLUDED.end_wanted WHEN '' THEN client_session.end_wanted ELSE EXCLUDED.end_wanted END
), gone AS (
    DELETE FROM client_session WHERE host = %(host)s AND pid = %(pid)s AND number = ANY(%(gone)s)
)
SELECT number, end_wanted FROM client_session WHERE host = %(host)s AND pid = %(pid)s AND end_wanted <> ''
UNION ALL SELECT 0, pg_postmaster_start_time()::text
"""
BEGIN = "DELETE FROM client_session WHERE host = %(host)s AND pid = %(pid)s"
END_OF_ACCOUNT = """
UPDATE client_session SET end_wanted = %(text)s WHERE account_id = %(account_id)s AND end_wanted = ''
    AND (%(app_password_id)s::bigint IS NULL OR app_password_id = %(app_password_id)s)
"""
END = "UPDATE client_session SET end_wanted = %(text)s WHERE id = ANY(%(ids)s) AND end_wanted = ''"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session of this process. `number` is the process's name for it; `idle_since` None while it is busy.

    `hash_end`: the last HASH_END characters of the password's hash the login was compared with, "" for app passwords.
    """

    number: int
    protocol: str
    account_id: int
    client_address: str
    client_id: str
    tls: bool
    since: datetime
    mailbox: str
    idle_since: datetime | None
    app_password_id: int = 0
    hash_end: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The sessions that shall end, with the text to say; and when the server was started."""

    ends: dict[int, str]
    server_start: str


def tell(conn: psycopg.Connection[Any], changed: Sequence[SessionRow], gone: Sequence[int]) -> Answer:
    """Write new and changed sessions, remove those that are gone. Raises psycopg.Error; nothing is written then."""
    answer = conn.execute(
        TELL,
        {
            **_place(),
            "numbers": [row.number for row in changed],
            "protocols": [row.protocol for row in changed],
            "account_ids": [row.account_id for row in changed],
            "addresses": [row.client_address for row in changed],
            "client_ids": [row.client_id[:MOST_CLIENT_ID] for row in changed],
            "tls": [row.tls for row in changed],
            "since": [row.since for row in changed],
            "mailboxes": [row.mailbox for row in changed],
            "idle_since": [row.idle_since for row in changed],
            "app_password_ids": [row.app_password_id for row in changed],
            "hash_ends": [row.hash_end for row in changed],
            "gone": list(gone),
        },
    ).fetchall()
    ends = {number: text for number, text in answer if number}
    return Answer(ends, next(text for number, text in answer if not number))


def begin(conn: psycopg.Connection[Any]) -> None:
    """Forget the sessions of a process that had our number before us."""
    conn.execute(BEGIN, _place())


def end_of_account(
    conn: psycopg.Connection[Any], account_id: int, text: str, *, app_password_id: int | None = None
) -> int:
    """End the sessions of an account, or those that one app password opened. Returns how many; they end within 3 s."""
    values = {"account_id": account_id, "app_password_id": app_password_id, "text": text}
    return conn.execute(END_OF_ACCOUNT, values).rowcount


def end(conn: psycopg.Connection[Any], ids: Sequence[int], text: str) -> int:
    """End these sessions. Returns how many were still there and not ending."""
    return conn.execute(END, {"ids": list(ids), "text": text}).rowcount


def keeps_out(text: str) -> bool:
    """Was a session that ends with these words ended because who opened it may not come in any more?"""
    return text in (REVOKED, DISABLED, DELETED, CHANGED) or text.endswith(NOT_ALLOWED)


def _place() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid()}
