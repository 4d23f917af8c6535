"""Every state that a cut may leave, made real, recovered as after a restart, and looked at.

Thousands of states are affordable because none is committed: one database transaction per version of the tables, a
savepoint per state, files in memory.
"""

from __future__ import annotations

import itertools
import math
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from mailcore.delivery.recovery import recover
from mailcore.errors import StoreUnavailable
from mailcore.identity import AccountRef
from mailcore.index.records import Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import ensure_account, list_mailboxes
from mailcore.queue import operations
from mailcore.queue.spool import Spool
from mailcore.store.storage import Storage
from tests.reliability.powercut.database import MAIL_TABLES, Dump, Version, dump, possible_versions, restore
from tests.reliability.powercut.disk import Change
from tests.reliability.powercut.messages import tag_of
from tests.reliability.powercut.paths import HOSTNAME
from tests.reliability.powercut.promises import ONCE, Expected, expected_at
from tests.reliability.powercut.record import Recording
from tests.reliability.powercut.survival import ALL, NOTHING, Tree, certain_from, choices, materialise, tree


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """Disk and database after a cut, and what must be found in them."""

    cut: int
    tree: Tree
    version: Version
    expected: Expected


@dataclass
class Tried:
    """How many states there were, and what was wrong with which of them."""

    states: int = 0
    cuts: int = 0
    wrong: list[str] = field(default_factory=list)
    # The state of each of these.
    where: list[State] = field(default_factory=list)


def states(recording: Recording, *, per_cut: int, seed: int) -> Iterator[State]:
    """All different states, or `per_cut` of each cut where there are more."""
    chance = random.Random(seed)
    certain = certain_from(recording.disk)
    seen: set[int] = set()
    for cut in cuts(recording):
        begun = [change for change in recording.disk.changes if change.start < cut]
        expected = expected_at(recording, cut)
        promised = sum(each.at <= cut for each in recording.said)
        options = [(ALL,) if certain[change] <= cut else choices(change) for change in begun]
        for version in possible_versions(recording.versions, cut):
            for survived in _combinations(options, per_cut, chance):
                files = tree(recording.disk, list(zip(begun, survived, strict=True)))
                key = hash((frozenset(files.items()), id(version), promised))
                if key not in seen:
                    seen.add(key)
                    yield State(cut, files, version, expected)


def cuts(recording: Recording) -> list[int]:
    """Every moment at which something may have changed: after each beginning and each end."""
    events: list[Change | Any] = [*recording.disk.changes, *recording.disk.syncs]
    moments = {event.end for event in events} | {event.start + 1 for event in events}
    moments |= {each.at for each in recording.said}
    moments |= {int(at) for v in recording.versions for at in (v.possible_from + 1, v.certain_from) if at < math.inf}
    return sorted(moments)


def _combinations(options: Sequence[Sequence[str]], at_most: int, chance: random.Random) -> Iterator[tuple[str, ...]]:
    """Of every change one option: all combinations, or the telling ones and then some at random."""
    if math.prod(map(len, options)) <= at_most:
        yield from itertools.product(*options)
        return
    everything = tuple(each[0] for each in options)
    least = tuple(NOTHING if NOTHING in each else ALL for each in options)
    yield everything
    yield least
    for number, each in enumerate(options):
        for option in each[1:]:
            yield (*everything[:number], option, *everything[number + 1 :])
        if len(each) > 1:
            yield (*least[:number], ALL, *least[number + 1 :])
    for _ in range(at_most):
        yield tuple(chance.choice(each) for each in options)


def replay(recording: Recording, found: Sequence[State], folder: Path, *, looks_first: bool = False) -> Tried:
    """Try these states; with `looks_first` somebody on another machine opens every mailbox before the recovery."""
    tried = Tried(cuts=len({state.cut for state in found}))
    with psycopg.connect(recording.url, autocommit=True) as conn:
        present = dump(conn)
        for version in {id(state.version): state.version for state in found}.values():
            of_version = [state for state in found if state.version is version]
            with conn.transaction(force_rollback=True):
                restore(conn, version.dump, present)
                for state in of_version:
                    with conn.transaction(force_rollback=True):
                        problems = _try(conn, recording, state, folder, looks_first=looks_first)
                    tried.states += 1
                    tried.wrong += [f"cut at {state.cut}: {problem}" for problem in problems]
                    tried.where += [state for _ in problems]
    return tried


def _try(
    conn: psycopg.Connection[Any], recording: Recording, state: State, folder: Path, *, looks_first: bool
) -> list[str]:
    home = folder / "state"
    home.mkdir()
    try:
        materialise(state.tree, home)
        return Restart(conn, home, recording).problems(state.expected, looks_first=looks_first)
    finally:
        shutil.rmtree(home)


@dataclass(frozen=True, slots=True)
class _Seen:
    uid: int
    tag: str
    flags: frozenset[str]


class Restart:
    """The appliance after the cut: recovers, and is asked what it has."""

    def __init__(self, conn: psycopg.Connection[Any], home: Path, recording: Recording) -> None:
        self._conn = conn
        self._home = home
        self._accounts = recording.accounts
        self._reports = recording.reports
        self._spool = Spool(home / "spool")
        self._wrong: list[str] = []

    def problems(self, expected: Expected, *, looks_first: bool = False) -> list[str]:
        """What breaks a promise, in words."""
        before = self._identities()
        if looks_first:
            self._look_early()
        try:
            self._recover()
        except Exception as error:
            return [f"recovery fails: {error!r}"]
        found = {name: self._look(account) for name, account in self._accounts.items()}
        after = self._identities()
        self._check_places(found, expected)
        self._check_known(found, expected, before)
        self._check_uids(before, after)
        self._check_counters()
        queued = self._check_queue(expected)
        present = {m.tag for by_mailbox in found.values() for seen in by_mailbox.values() for m in seen} | queued
        self._wrong += [f"none of {tags} is anywhere" for tags in expected.either if not present & set(tags)]
        content = self._everything()
        self._recover()
        if self._everything() != content:
            self._wrong.append("a second recovery changed something")
        return self._wrong

    def _look_early(self) -> None:
        """A log-in and a first look at each mailbox, which may be told to come again."""
        for account in self._accounts.values():
            with suppress(StoreUnavailable):
                self._open_all(account, self._new_storage())

    def _recover(self) -> None:
        """What happens by itself after a restart: the journal, then a log-in and a first look at each mailbox."""
        recover(self._conn, self._home)
        self._storage = self._new_storage()
        for account in self._accounts.values():
            self._open_all(account, self._storage)

    def _new_storage(self) -> Storage:
        return Storage(self._home / "mail", hostname=HOSTNAME, lock_timeout_s=0.5)

    def _open_all(self, account: AccountRef, storage: Storage) -> None:
        ensure_account(self._conn, storage, account)
        for mailbox in list_mailboxes(self._conn, account):
            mailboxes.open_mailbox(self._conn, storage, account, mailbox.name)

    def _look(self, account: AccountRef) -> dict[str, list[_Seen]]:
        return {mailbox.name: list(self._messages(account, mailbox)) for mailbox in list_mailboxes(self._conn, account)}

    def _messages(self, account: AccountRef, mailbox: Any) -> Iterator[_Seen]:
        """Every message, as FETCH, RETR and webmail read it."""
        for row in mailboxes.rows(self._conn, mailbox.id):
            with mailboxes.open_message(self._conn, self._storage, account, mailbox, row.uid) as message:
                text = message.read()
            tag = tag_of(text)
            if tag is None:
                self._wrong.append(f"{mailbox.name}/{row.uid} is no whole message: {text[:60]!r}... {len(text)} bytes")
                continue
            if len(text) != row.size:
                self._wrong.append(f"{tag} has {len(text)} bytes, its row says {row.size}")
            yield _Seen(row.uid, tag, frozenset(Flags(row.flags, frozenset(row.keywords)).names()))

    def _check_places(self, found: dict[str, dict[str, list[_Seen]]], expected: Expected) -> None:
        for (account, tag), places in expected.places.items():
            counted = Counter({name: sum(m.tag == tag for m in seen) for name, seen in found[account].items()})
            for mailbox, allowed in places.items():
                if counted[mailbox] not in allowed:
                    self._wrong.append(f"{tag} is {counted[mailbox]} times in {account}'s {mailbox}")
            if (account, tag) in expected.must_be and not counted.total():
                self._wrong.append(f"{tag} of {account} is lost")
        for account, by_mailbox in found.items():
            for mailbox, seen in by_mailbox.items():
                for message in seen:
                    if mailbox not in expected.places.get((account, message.tag), {}):
                        self._wrong.append(f"{message.tag} is in {account}'s {mailbox}")
                    elif message.flags not in expected.flags[account, message.tag]:
                        self._wrong.append(f"{message.tag} has the flags {sorted(message.flags)}")

    def _check_known(
        self,
        found: dict[str, dict[str, list[_Seen]]],
        expected: Expected,
        before: dict[int, tuple[int, int, dict[int, str]]],
    ) -> None:
        """What a client was told of keeps its UID."""
        for (account, tag), places in expected.places.items():
            for mailbox in list_mailboxes(self._conn, self._accounts[account]):
                if places.get(mailbox.name) == ONCE and (account, tag) in expected.must_be:
                    uids = {m.uid for m in found[account][mailbox.name] if m.tag == tag}
                    if uids - set(before[mailbox.id][2]):
                        self._wrong.append(f"{tag} in {account}'s {mailbox.name} has another UID")

    def _identities(self) -> dict[int, tuple[int, int, dict[int, str]]]:
        """By mailbox: UIDVALIDITY, UIDNEXT, and which message has which UID."""
        rows = self._conn.execute("SELECT id, uidvalidity, uidnext FROM mailbox").fetchall()
        return {
            number: (
                validity,
                following,
                dict(self._conn.execute("SELECT uid, store_key FROM message WHERE mailbox_id = %s", [number])),
            )
            for number, validity, following in rows
        }

    def _check_uids(
        self,
        before: dict[int, tuple[int, int, dict[int, str]]],
        after: dict[int, tuple[int, int, dict[int, str]]],
    ) -> None:
        """No UID that somebody may know means another message now."""
        for number, (validity, following, known) in before.items():
            now_validity, now_following, now = after[number]
            if now_validity != validity:
                self._wrong.append("UIDVALIDITY changed")
            if now_following < following:
                self._wrong.append("UIDNEXT shrank")
            for uid, key in now.items():
                if uid < following and known.get(uid) != key:
                    self._wrong.append(f"UID {uid} was given again")

    def _check_counters(self) -> None:
        wrong = self._conn.execute(
            """
            SELECT mailbox.name FROM mailbox LEFT JOIN message ON message.mailbox_id = mailbox.id GROUP BY mailbox.id
            HAVING (messages, unseen, mailbox.size) IS DISTINCT FROM
                (count(uid), count(*) FILTER (WHERE uid IS NOT NULL AND flags & 1 = 0), coalesce(sum(message.size), 0))
            """
        ).fetchall()
        self._wrong += [f"the counters of {name} are wrong" for (name,) in wrong]
        total = "SELECT coalesce(sum(bytes), 0), coalesce(sum(messages), 0) FROM account_usage"
        counted = "SELECT coalesce(sum(size), 0), coalesce(sum(messages), 0) FROM mailbox"
        if self._conn.execute(total).fetchone() != self._conn.execute(counted).fetchone():
            self._wrong.append("the usage of accounts is wrong")

    def _check_queue(self, expected: Expected) -> set[str]:
        """Every row has its content; every promise has its rows; what has no row can be swept."""
        rows = self._conn.execute(
            """
            SELECT queue_id, array_agg(address) FROM queue_message
            JOIN queue_recipient ON queue_recipient.message_id = queue_message.id GROUP BY queue_id
            """
        ).fetchall()
        found: dict[str, frozenset[str]] = {}
        for queue_id, recipients in rows:
            try:
                with self._spool.open(queue_id) as content:
                    text = content.read()
                tag = "report" if text in self._reports else tag_of(text)
            except FileNotFoundError:
                tag = None
            if tag is None:
                self._wrong.append(f"the content of {queue_id} for {recipients} is lost")
            else:
                found[tag] = frozenset(recipients)
        for tag, allowed in expected.queued.items():
            if found.get(tag, frozenset()) not in allowed:
                self._wrong.append(f"{tag} is queued for {sorted(found.get(tag, ()))}")
        self._spool.sweep(lambda ids: operations.known_queue_ids(self._conn, ids), older_than_s=-1)
        left = {path.name for path in (self._home / "spool" / "queue").rglob("*") if path.is_file()}
        if left != {queue_id for queue_id, _ in rows}:
            self._wrong.append(f"the spool keeps {left}")
        return set(found)

    def _everything(self) -> tuple[Dump, dict[str, bytes | None]]:
        files = {
            str(path.relative_to(self._home)): path.read_bytes() if path.is_file() else None
            for path in self._home.rglob("*")
        }
        return dump(self._conn, MAIL_TABLES), files
