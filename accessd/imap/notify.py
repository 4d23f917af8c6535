"""What one session is told without asking (RFC 5465): of the mailboxes it follows, at most every TELL_EVERY_S.

Sessions that have not used NOTIFY have none of this. One that has is registered with the hub for each mailbox whose
messages it follows and for the accounts whose lists of mailboxes it sees. A hint only says "look": what is told is the
difference to the picture that was told before, so nothing is lost when hints are, and however many mailboxes have
changed, one query reads them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from accessd.imap.command import Create, Delete, Rename, Subscribe
from accessd.imap.grammar.mailbox_name import SEPARATOR
from accessd.imap.notify_events import first_status, name_events, note_events, status_items
from accessd.imap.notify_everybody import EverybodyWatch
from accessd.imap.notify_interest import Interest, messages_followed, unreadable
from accessd.imap.notify_picture import Picture, attributes, take_picture
from accessd.imap.response import astring, mailbox, mailbox_list, untagged
from accessd.imap.status_response import status_response
from mailcore.index.index import mailboxes_of
from mailcore.index.records import MailboxRecord, MailboxStatus

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

TELL_EVERY_S = 0.1
RETRY_S = 1.0
MOST_MAILBOXES = 5000
"""More than these are not followed, and not more are named: each costs some hundred octets as long as the session
lasts.
"""


class TooMuchToFollow(Exception):
    """There are more mailboxes than a session may follow."""


class _Wake:
    """Registered with the hub for one mailbox."""

    __slots__ = ("_mailbox_id", "_notifier")

    def __init__(self, notifier: Notifier, mailbox_id: int) -> None:
        self._notifier = notifier
        self._mailbox_id = mailbox_id

    def notify(self) -> None:
        """The mailbox may have changed."""
        self._notifier.wake(self._mailbox_id)


class Notifier:
    """One session's NOTIFY SET, or its NOTIFY NONE, which follows nothing. `start` before use, `stop` at the end."""

    def __init__(self, session: ImapSession, interest: Interest) -> None:
        self._session = session
        self.interest = interest
        self.own_names: set[str] = set()
        """Names this session has just changed itself: it is not told of them."""
        self.told_uid = 0
        """Up to here the selected mailbox's messages have been fetched for the client, or need not be."""
        self._picture = Picture({}, frozenset())
        self._followed: dict[int, frozenset[str]] = {}
        self._wakes: dict[int, _Wake] = {}
        self._accounts: set[int] = set()
        self._everybody: EverybodyWatch | None = None
        self._due: set[int] = set()
        self._list_is_due = False
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # What the hub calls.

    def wake(self, mailbox_id: int) -> None:
        """A mailbox may have changed."""
        self._due.add(mailbox_id)
        self._session.connection.poke()

    def notify_account(self) -> None:
        """An account's list of mailboxes may have changed."""
        self._list_is_due = True
        self._session.connection.poke()

    # What the session calls.

    async def start(self) -> None:
        """Follow. Raises TooMuchToFollow."""
        if self.interest.named > MOST_MAILBOXES:
            raise TooMuchToFollow(f"{self.interest.named} names")
        self._follow_accounts([self._session.reader.id])
        try:
            self._learn(await self._look())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Follow nothing any more."""
        hub = self._session.context.hub
        for mailbox_id, wake in self._wakes.items():
            hub.unwatch(mailbox_id, wake)
        for account_id in self._accounts:
            hub.unwatch_account(account_id, self)
        if self._everybody is not None:
            self._everybody.stop()
        self._wakes, self._accounts, self._everybody = {}, set(), None
        if self._timer is not None:
            self._timer.cancel()

    def first_lines(self, *, status: bool) -> Iterator[bytes]:
        """What NOTIFY SET says at once: STATUS of all that is followed, if asked for, and what cannot be."""
        utf8 = self._session.utf8
        if names := unreadable(self.interest, self._picture):
            of = attributes(self._picture)
            yield from (mailbox_list(name, [*of(name), "\\NoAccess"], utf8=utf8) for name in names)
        if status:
            followed = {key: events for key, events in self._followed.items() if key != self._selected_id}
            yield from self._statuses({key: first_status(events) for key, events in followed.items()})

    def is_due(self) -> bool:
        """Is there something to look at now? If it is only too early, the session is woken again."""
        if not (self._due or self._list_is_due):
            return False
        loop = asyncio.get_running_loop()
        if loop.time() >= self._not_before:
            return True
        if self._timer is None:
            self._timer = loop.call_at(self._not_before, self._wake_again)
        return False

    async def tell(self) -> list[bytes]:
        """Look, and say what is new. Raises TooMuchToFollow."""
        self._not_before = asyncio.get_running_loop().time() + TELL_EVERY_S
        list_was_due, self._list_is_due = self._list_is_due, False
        due, self._due = self._due, set()
        try:
            told = self._names(await self._look()) if list_was_due else []
            return told + await self._changed_statuses(due)
        except psycopg.Error:
            self._list_is_due |= list_was_due
            self._due |= due
            self._not_before += RETRY_S
            return []

    def note_own(self, command: object) -> None:
        """The session has done this itself, and need not be told (RFC 5465 section 5)."""
        match command:
            case Create(name) | Delete(name) | Subscribe(name):
                self.own_names.add(name.removesuffix(SEPARATOR))
            case Rename(old, new):
                self.own_names |= {old, new.removesuffix(SEPARATOR)}
            case _:
                pass

    # Itself.

    def _wake_again(self) -> None:
        self._timer = None
        self._session.connection.poke()

    @property
    def _selected_id(self) -> int:
        view = self._session.view
        return view.record.id if view is not None else 0

    async def _look(self) -> Picture:
        if not self.interest.follows_anything:
            return self._picture
        return await self._session.context.offload(
            take_picture, self._session.reader, with_notes=self.interest.follows_notes
        )

    def _learn(self, picture: Picture) -> None:
        """Follow what is to be followed now, and nothing else."""
        followed = messages_followed(self.interest, picture)
        if len(followed) > MOST_MAILBOXES:
            raise TooMuchToFollow(f"{len(followed)} mailboxes")
        hub = self._session.context.hub
        for gone in self._wakes.keys() - followed.keys():
            hub.unwatch(gone, self._wakes.pop(gone))
        for mailbox_id in followed.keys() - self._wakes.keys():
            self._wakes[mailbox_id] = wake = _Wake(self, mailbox_id)
            hub.watch(mailbox_id, wake)
            # What changed between the look and the registration is found by looking again.
            self._due.add(mailbox_id)
        self._follow_accounts({self._session.reader.id, *(s.record.account_id for s in picture.mailboxes.values())})
        self._picture, self._followed = picture, followed

    def _follow_accounts(self, account_ids: Iterable[int]) -> None:
        wanted = set(account_ids) if self.interest.follows_anything else set()
        if wanted and self._everybody is None:
            self._everybody = EverybodyWatch(self._session.context.hub, self._session.reader, self)
        for gone in self._accounts - wanted:
            self._session.context.hub.unwatch_account(gone, self)
        for account_id in wanted - self._accounts:
            self._session.context.hub.watch_account(account_id, self)
        self._accounts = wanted

    def _names(self, now: Picture) -> list[bytes]:
        before = self._picture
        # What is known of messages stays what was told of them; the look at the mailboxes compares it.
        known = {
            key: seen._replace(record=_with_names(before.mailboxes[key].record, seen.record))
            if key in before.mailboxes
            else seen
            for key, seen in now.mailboxes.items()
        }
        followed_before = self._followed
        self._learn(Picture(known, now.subscribed, now.notes))
        own, self.own_names = self.own_names, set()
        of = attributes(now)
        told = [
            mailbox_list(event.name, of(event.name), utf8=self._session.utf8, old_name=event.old_name)
            for event in name_events(self.interest, before, now)
            if event.name not in own
        ]
        told += [
            _metadata(name, entries, utf8=self._session.utf8)
            for name, entries in note_events(self.interest, before, now)
        ]
        return told + list(self._statuses(self._new_with_messages(followed_before)))

    def _new_with_messages(self, followed_before: Mapping[int, frozenset[str]]) -> dict[int, tuple[str, ...]]:
        """What came into view with messages in it: how many there are, the client cannot know."""
        new = self._followed.keys() - followed_before.keys() - {self._selected_id}
        return {
            key: first_status(self._followed[key]) for key in new if self._picture.mailboxes[key].record.uidnext > 1
        }

    async def _changed_statuses(self, due: set[int]) -> list[bytes]:
        wanted = [key for key in due if key in self._followed and key != self._selected_id]
        if not wanted:
            return []
        items = {}
        known = dict(self._picture.mailboxes)
        for record in await self._session.context.offload(mailboxes_of, wanted):
            seen = known.get(record.id)
            if seen is None:
                continue
            now = record._replace(name=seen.record.name)
            items[record.id] = status_items(
                seen.record, now, self._followed[record.id], condstore=self._session.condstore
            )
            known[record.id] = seen._replace(record=now)
        self._picture = replace(self._picture, mailboxes=known)
        return list(self._statuses({key: each for key, each in items.items() if each}))

    def _statuses(self, items: Mapping[int, Sequence[str]]) -> Iterator[bytes]:
        for mailbox_id, wanted in items.items():
            record = self._picture.mailboxes[mailbox_id].record
            yield status_response(record.name, wanted, _status(record), utf8=self._session.utf8)


def _status(record: MailboxRecord) -> MailboxStatus:
    return MailboxStatus(
        record.messages,
        0,
        record.unseen,
        record.uidnext,
        record.uidvalidity,
        record.highestmodseq,
        record.size,
        0,
        record.id,
    )


def _with_names(told: MailboxRecord, now: MailboxRecord) -> MailboxRecord:
    return told._replace(name=now.name, special_use=now.special_use)


def _metadata(name: str, entries: Iterable[str], *, utf8: bool) -> bytes:
    """`* METADATA name entry ...` (RFC 5464 section 4.4.2); "" is the server."""
    words = [mailbox(name, utf8=utf8) if name else b'""', *(astring(entry.encode()) for entry in entries)]
    return untagged(b"METADATA " + b" ".join(words))
