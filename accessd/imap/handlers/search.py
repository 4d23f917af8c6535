"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4, ESEARCH of RFC 4731, MODSEQ of RFC 7162 section 3.1.5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.command import Search
from accessd.imap.enabled import CONDSTORE
from accessd.imap.grammar.search_key import uses_modseq
from accessd.imap.grammar.sequence_set import format_numbers
from accessd.imap.response import Completion, Response
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.search import search as search_mailbox
from mailcore.mailbox.search_keys import SearchKey
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def search(session: ImapSession, command: Search) -> AsyncGenerator[Response, None]:
    """One line of results: SEARCH, or ESEARCH where RETURN was asked for."""
    view = session.selected
    with_modseq = uses_modseq(command.key)
    if with_modseq:
        session.enable(CONDSTORE)
    uids, modseq = await session.context.offload(
        _search,
        session.storage,
        view.owner,
        view.record,
        command.key,
        view.uids,
        view.first_recent_uid,
        with_modseq=with_modseq,
    )
    numbers = uids if command.by_uid else [view.sequence_number(uid) for uid in uids]
    if command.returns is None:
        yield _plain(numbers, modseq)
    else:
        yield _extended(numbers, modseq, session.tag, command)
    yield Completion()


def _search(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    key: SearchKey,
    uids: Sequence[int],
    first_recent_uid: int,
    *,
    with_modseq: bool,
) -> tuple[list[int], int]:
    found = search_mailbox(conn, storage, account, mailbox, key, uids, first_recent_uid)
    modseq = 0
    if with_modseq and found:
        modseq = max((row.modseq for row in mailboxes.rows(conn, mailbox.id, found)), default=0)
    return found, modseq


def _plain(numbers: list[int], modseq: int) -> bytes:
    words = [b"SEARCH", *(b"%d" % number for number in numbers)]
    if modseq:
        words.append(b"(MODSEQ %d)" % modseq)
    return response.untagged(b" ".join(words))


def _extended(numbers: list[int], modseq: int, tag: bytes, command: Search) -> bytes:
    assert command.returns is not None
    words = [b"ESEARCH (TAG %b)" % response.string(tag)]
    if command.by_uid:
        words.append(b"UID")
    if numbers and "MIN" in command.returns:
        words.append(b"MIN %d" % min(numbers))
    if numbers and "MAX" in command.returns:
        words.append(b"MAX %d" % max(numbers))
    if "COUNT" in command.returns:
        words.append(b"COUNT %d" % len(numbers))
    if numbers and "ALL" in command.returns:
        words.append(b"ALL " + format_numbers(numbers))
    if modseq:
        words.append(b"MODSEQ %d" % modseq)
    return response.untagged(b" ".join(words))
