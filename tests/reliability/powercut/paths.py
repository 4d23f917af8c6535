"""What is recorded: real code of the appliance on real files and a real database.

Each path says what it begins and what it has been promised, so that the trace holds both. `prepare` is what was there
before and is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from mailcore.clock import SystemClock
from mailcore.config.snapshot import DomainRecord, NextHop, Snapshot
from mailcore.delivery.arrival import Arrival, LocalRecipient
from mailcore.delivery.batch import deliver_batch
from mailcore.directory.lookups import AccountRecord
from mailcore.directory.memory import MemoryDirectory
from mailcore.identity import AccountRef
from mailcore.index.records import FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import create_mailbox, ensure_inboxes, rename_mailbox
from mailcore.mailbox.appending import append_all
from mailcore.mailbox.replacing import Target, replace
from mailcore.mailbox.transfer import hand_over
from mailcore.message.flags import NO_FLAGS
from mailcore.queue import claiming
from mailcore.queue.spool import Spool
from mailcore.relay.connection import tls_contexts
from mailcore.relay.hops import HopKeys
from mailcore.relay.local import LocalDelivery
from mailcore.relay.mx import Resolver
from mailcore.relay.run import run_lease
from mailcore.relay.worker import Worker
from mailcore.sharing.places import Place
from mailcore.store import exchange
from mailcore.store.journal import KEEP_S, SEGMENT_BYTES, Journal
from mailcore.store.storage import Storage
from smtpd.completion import Completed
from smtpd.incoming import Incoming
from tests.contract.mailbox_support import DOMAIN, Owner, a_recipient, an_arrival
from tests.fakes.smtp_sink import Script, Sink
from tests.reliability.powercut.messages import content_of, tag_of

LIFETIME_S = 432_000
HOSTNAME = "mx.mail.test"
Say = Callable[..., None]


@dataclass
class World:
    """What a path works on. Accounts by the part before the @."""

    home: Path
    conn: psycopg.Connection[Any]
    accounts: Mapping[str, AccountRef]
    say: Say
    journal: Journal | None = None
    storage: Storage = field(init=False)
    spool: Spool = field(init=False)

    def __post_init__(self) -> None:
        self.storage = Storage(self.home / "mail", hostname=HOSTNAME, lock_timeout_s=2.0)
        self.spool = Spool(self.home / "spool")

    @contextmanager
    def promise(self, **effects: Any) -> Iterator[None]:
        """What the body does is promised when it is over; until then it may have happened or not."""
        self.say(begins=effects)
        yield
        self.say(promised=effects)

    def owner(self, name: str) -> Owner:
        return Owner(self.conn, self.storage, self.accounts[name])

    def uids(self, name: str) -> dict[str, int]:
        """Which message of INBOX has which UID."""
        owner = self.owner(name)
        return {str(tag_of(owner.read(uid))): uid for uid in owner.open().uids}

    def arrival(self, tag: str, local: Sequence[str], remote: Sequence[str] = ()) -> Arrival:
        return an_arrival([self.accounts[name] for name in local], remote, content_of(tag))

    def deliver(self, *batch: tuple[str, Sequence[str], Sequence[str]]) -> None:
        """Messages that came together: (tag, accounts here, addresses elsewhere)."""
        added = [[name, "INBOX", tag] for tag, local, _ in batch for name in local]
        queued = [[tag, list(remote)] for tag, _, remote in batch if remote]
        with self.promise(add=added, queue=queued):
            arrivals = [self.arrival(*each) for each in batch]
            answers = deliver_batch(self.conn, self.storage, self.spool, arrivals, LIFETIME_S, self.journal)
            assert all(isinstance(answer, list) for answer in answers), answers


def nothing(_: World) -> None:
    """What most paths need to be there before."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One path: accounts with their store, what is there before, and what is recorded."""

    accounts: Mapping[str, str]
    run: Callable[[World], None]
    prepare: Callable[[World], None] = nothing
    journal: bool = True
    segment_bytes: int = SEGMENT_BYTES
    keep_s: float = KEEP_S


def a_first_message(world: World) -> None:
    """Its folders do not exist yet."""
    world.deliver(("first-100", ["ann"], []))


def some_mail(world: World) -> None:
    """Mailboxes and folders that are there. Few of them: every state is searched through."""
    for name, account in world.accounts.items():
        ensure_inboxes(world.conn, [account.id])
        create_mailbox(world.conn, world.storage, account, "Archive")
        world.deliver((f"old_{name}-200", [name], []))


def deliveries(world: World) -> None:
    """Batches with shared recipients, a foreign one, and more than a page of content."""
    world.deliver(("a-100", ["ann"], []), ("b-9000", ["ann", "bob"], ["x@elsewhere.test"]))
    world.deliver(("c-300", ["bob"], []), ("d-50", [], ["y@elsewhere.test", "z@elsewhere.test"]))


def a_large_message(world: World) -> None:
    """Through a file in spool/incoming, to mailboxes of both formats and to the queue."""
    tag = "large-150000"
    with world.promise(add=[[name, "INBOX", tag] for name in world.accounts], queue=[[tag, ["x@elsewhere.test"]]]):
        incoming = Incoming(world.spool.root / "incoming" / "large", _plain, lambda head: Completed(head, 0, 0, "", 0))
        content = asyncio.run(_receive(incoming, content_of(tag)))
        arrival = an_arrival(list(world.accounts.values()), ["x@elsewhere.test"], content)
        [answer] = deliver_batch(world.conn, world.storage, world.spool, [arrival], LIFETIME_S, world.journal)
        assert isinstance(answer, list), answer
    asyncio.run(incoming.discard())


async def _plain(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def _receive(incoming: Incoming, content: bytes) -> bytes | Path:
    for start in range(0, len(content), 50_000):
        if incoming.add(content[start : start + 50_000]):
            await incoming.flush()
    return await incoming.finish()


def appends(world: World) -> None:
    """APPEND with flags, a keyword and a date; without; to a mailbox beside INBOX; a large one from a file."""
    at = datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)
    spooled = world.spool.root / "incoming" / "append"
    for name in world.accounts:
        given = (world.conn, world.storage, world.accounts[name])
        with world.promise(add=[[name, "INBOX", "plain-100"]]):
            mailboxes.append(*given, "INBOX", content_of("plain-100"), NO_FLAGS, None, world.journal)
        marked = Flags.parse(["\\Seen", "Project"])
        with world.promise(add=[[name, "Archive", "flagged-5000", *marked.names()]]):
            mailboxes.append(*given, "Archive", content_of("flagged-5000"), marked, at, world.journal)
        spooled.write_bytes(content_of("file-9000"))
        with world.promise(add=[[name, "INBOX", "file-9000"]]):
            mailboxes.append(*given, "INBOX", spooled, NO_FLAGS, at, world.journal)
        spooled.unlink()


def together(world: World) -> None:
    """MULTIAPPEND of three, one with a flag and a keyword; REPLACE of the first of them, into the same mailbox."""
    for name, account in world.accounts.items():
        given = (world.conn, world.storage, account)
        tags = [f"{which}_{name}-{size}" for which, size in (("first", 100), ("second", 5000), ("third", 90))]
        marked = Flags.parse(["\\Flagged", "Project"])
        flags = (NO_FLAGS, marked, NO_FLAGS)
        new = [exchange.Incoming(content_of(tag), each, None) for tag, each in zip(tags, flags, strict=True)]
        added = [[name, "INBOX", tags[0]], [name, "INBOX", tags[1], *marked.names()], [name, "INBOX", tags[2]]]
        with world.promise(add=added):
            uids = append_all(*given, "INBOX", new).uids
        tag = f"instead_{name}-300"
        with world.promise(add=[[name, "INBOX", tag]], remove=[[name, "INBOX", tags[0]]], either=[[tags[0], tag]]):
            message = exchange.Incoming(content_of(tag), NO_FLAGS, None)
            replace(*given, world.owner(name).record(), uids[0], Target(account, "INBOX"), message)


def copies_and_moves(world: World) -> None:
    """COPY, then MOVE of the same message, then MOVE of several at once."""
    for name, account in world.accounts.items():
        one, two, three = (f"{which}_{name}-{size}" for which, size in (("old", 200), ("two", 5000), ("three", 90)))
        uids = world.uids(name)
        with world.promise(copy=[[name, "INBOX", "Archive", one]]):
            mailboxes.copy(world.conn, world.storage, account, world.owner(name).record(), [uids[one]], "Archive")
        with world.promise(move=[[name, "INBOX", "Archive", tag] for tag in (two, three)]):
            both = [uids[two], uids[three]]
            mailboxes.move(world.conn, world.storage, account, world.owner(name).record(), both, "Archive")


def handed_over(world: World) -> None:
    """COPY and MOVE as between accounts (mailcore.mailbox.transfer): the files of the source go last."""
    for name, account in world.accounts.items():
        one, two, three = (f"{which}_{name}-{size}" for which, size in (("old", 200), ("two", 5000), ("three", 90)))
        uids, place = world.uids(name), Place(account, "Archive")
        with world.promise(copy=[[name, "INBOX", "Archive", one]]):
            hand_over(world.conn, world.storage, account, world.owner(name).record(), [uids[one]], place)
        with world.promise(move=[[name, "INBOX", "Archive", tag] for tag in (two, three)]):
            both = [uids[two], uids[three]]
            hand_over(world.conn, world.storage, account, world.owner(name).record(), both, place, move=True)


def expunges(world: World) -> None:
    """A message in the middle, then the last one."""
    for name, account in world.accounts.items():
        uids = world.uids(name)
        for tag in (f"two_{name}-5000", f"three_{name}-90"):
            _flag(world, name, uids[tag], tag, FlagMode.ADD, "\\Deleted")
            with world.promise(remove=[[name, "INBOX", tag]]):
                gone = mailboxes.expunge(world.conn, world.storage, account, world.owner(name).record())
                assert gone == [uids[tag]]


def flags(world: World) -> None:
    """System flags and keywords come, go and come again; more keywords than an mbox message has room for."""
    many = [f"keyword{number}" for number in range(9)]
    for name in world.accounts:
        uids = world.uids(name)
        for tag in (f"old_{name}-200", f"two_{name}-5000"):
            _flag(world, name, uids[tag], tag, FlagMode.REPLACE, "\\Seen")
            _flag(world, name, uids[tag], tag, FlagMode.REPLACE, "\\Seen", "\\Flagged", "Project")
            _flag(world, name, uids[tag], tag, FlagMode.REPLACE, *many)
            _flag(world, name, uids[tag], tag, FlagMode.REPLACE)


def _flag(world: World, name: str, uid: int, tag: str, mode: FlagMode, *names: str) -> None:
    owner = world.owner(name)
    with world.promise(flag=[[name, tag, *names]]):
        change = FlagChange(mode, Flags.parse(names))
        mailboxes.set_flags(world.conn, world.storage, owner.account, owner.record(), [uid], change)


def looks_between_deliveries(world: World) -> None:
    """SELECT moves what is new to cur/ without flushing; deliveries flush new/ meanwhile."""
    for number in range(2):
        world.deliver(*((f"next{number}_{name}-100", [name], []) for name in world.accounts))
        for name in world.accounts:
            world.owner(name).open()


def queue_run(world: World) -> None:
    """A lease worked off: one message is relayed, one delivered here, one refused for good and reported."""
    replies = {"nobody": "550 5.1.1 unknown", "ann": "450 4.2.0 the report comes too soon"}
    script = Script(rcpt=lambda to: next((said for who, said in replies.items() if who in to), "250 2.1.5 ok"))
    with Sink(script) as sink:
        hop = NextHop("127.0.0.1", sink.port, lookup_mx=False, tls="none")
        domains = {DOMAIN: DomainRecord(DOMAIN, "local")}
        snapshot = Snapshot(myhostname=HOSTNAME, myorigin=DOMAIN, domains=domains, relayhost=hop)
        queued = [["relayed-100", ["x@elsewhere.test"]], ["here-300", [f"ann@{DOMAIN}"]]]
        refused = ["refused-50", ["nobody@elsewhere.test"]]
        with world.promise(
            unqueue=[*queued, refused],
            add=[["ann", "INBOX", "here-300"]],
            queue=[["report", ["ann@elsewhere.test"]]],
            either=[["refused-50", "report"], ["here-300"]],
        ):
            worker = _worker(world, snapshot)
            for lease in claiming.claim_due(world.conn, SystemClock().now(), HopKeys(snapshot), lambda _: 10).leases:
                run_lease(worker, lease.lease)
        assert [each.recipients for each in sink.received] == [["x@elsewhere.test"]], sink.commands


def _worker(world: World, snapshot: Snapshot) -> Worker:
    directory = MemoryDirectory([AccountRecord(account) for account in world.accounts.values()])
    return Worker(
        database=_OneConnection(world.conn),
        spool=world.spool,
        local=LocalDelivery(world.storage, directory),
        resolver=Resolver("127.0.0.1:1", lookup_s=1.0),
        tls_contexts=tls_contexts(),
        snapshot=lambda _: snapshot,
        unseal=str,
        events=_Silent(),
        hints=_Silent(),
        clock=SystemClock(),
    )


class _Silent:
    """Events and hints: nobody is told, and nobody waits, whatever the worker says."""

    def __getattr__(self, name: str) -> Callable[..., bool]:
        return lambda *_: False


@dataclass(frozen=True, slots=True)
class _OneConnection:
    conn: psycopg.Connection[Any]

    def connection(self) -> psycopg.Connection[Any]:
        return self.conn


def a_queue(world: World) -> None:
    """Three messages wait."""
    some_mail(world)
    world.deliver(
        ("relayed-100", [], ["x@elsewhere.test"]),
        ("here-300", [], [f"ann@{DOMAIN}"]),
        ("refused-50", [], ["nobody@elsewhere.test"]),
    )


def filed_mail(world: World) -> None:
    """A message outside of INBOX."""
    some_mail(world)
    for name in world.accounts:
        with world.promise(add=[[name, "Archive", "known-200"]]):
            world.owner(name).append(content_of("known-200"), mailbox="Archive")


def more_mail(world: World) -> None:
    """Three messages in each INBOX."""
    some_mail(world)
    for name in world.accounts:
        world.deliver((f"two_{name}-5000", [name], []), (f"three_{name}-90", [name], []))
        world.owner(name).open()


def fresh_mail(world: World) -> None:
    """What is done to mail of the last moments, whose files nothing has flushed yet: they are in the journal."""
    [name] = world.accounts
    tags = [f"fresh{number}-{size}" for number, size in enumerate((100, 5000, 200, 300, 90))]
    world.deliver(*((tag, [name], []) for tag in tags))
    uids, account = world.uids(name), world.accounts[name]
    _flag(world, name, uids[tags[0]], tags[0], FlagMode.ADD, "\\Seen", "Project")
    with world.promise(copy=[[name, "INBOX", "Archive", tags[1]]]):
        mailboxes.copy(world.conn, world.storage, account, world.owner(name).record(), [uids[tags[1]]], "Archive")
    with world.promise(move=[[name, "INBOX", "Archive", tags[2]]]):
        mailboxes.move(world.conn, world.storage, account, world.owner(name).record(), [uids[tags[2]]], "Archive")
    _flag(world, name, uids[tags[3]], tags[3], FlagMode.ADD, "\\Deleted")
    with world.promise(remove=[[name, "INBOX", tags[3]]]):
        mailboxes.expunge(world.conn, world.storage, account, world.owner(name).record())


def a_folder_renamed(world: World) -> None:
    """Mail that came to a mailbox by its name, which then gets another."""
    [(name, account)] = world.accounts.items()
    with world.promise(add=[[name, "Archive", "filed-300"]]):
        filed = LocalRecipient(a_recipient(f"{name}+archive@{DOMAIN}"), account, "Archive")
        arrival = an_arrival([filed], content=content_of("filed-300"))
        [answer] = deliver_batch(world.conn, world.storage, world.spool, [arrival], LIFETIME_S, world.journal)
        assert isinstance(answer, list), answer
    with world.promise(move=[[name, "Archive", "Old/Archive", tag] for tag in ("filed-300", "known-200")]):
        rename_mailbox(world.conn, world.storage, account, "Archive", "Old/Archive")


def a_journal_used_in_turn(world: World) -> None:
    """Segments fill up, are flushed with everything they keep, and are written over."""
    for number in range(5):
        world.deliver((f"turn{number}-3000", ["ann"], ["x@elsewhere.test"] if number == 2 else []))
        world.owner("ann").open()
        # The keeper flushes what is some hundredths of a second old.
        time.sleep(0.1 if number % 2 else 0)


MAILDIR, MBOX = {"ann": "maildir"}, {"bob": "mbox"}
PATHS: Mapping[str, Recorded] = {
    "first delivery": Recorded(MAILDIR, a_first_message),
    "first delivery without a journal": Recorded(MAILDIR, a_first_message, journal=False),
    "delivery": Recorded({"ann": "maildir", "bob": "maildir"}, deliveries, some_mail),
    "delivery without a journal": Recorded({"ann": "maildir", "bob": "maildir"}, deliveries, some_mail, journal=False),
    "fresh mail": Recorded(MAILDIR, fresh_mail, some_mail),
    "RENAME": Recorded(MAILDIR, a_folder_renamed, filed_mail),
    "journal in turn": Recorded(MAILDIR, a_journal_used_in_turn, some_mail, segment_bytes=8000, keep_s=0.05),
    "large message": Recorded({**MAILDIR, **MBOX}, a_large_message, some_mail),
    "SELECT": Recorded(MAILDIR, looks_between_deliveries, some_mail),
    "APPEND": Recorded(MAILDIR, appends, some_mail),
    "APPEND without a journal": Recorded(MAILDIR, appends, some_mail, journal=False),
    "MULTIAPPEND and REPLACE": Recorded(MAILDIR, together, some_mail),
    "COPY and MOVE": Recorded(MAILDIR, copies_and_moves, more_mail),
    "EXPUNGE": Recorded(MAILDIR, expunges, more_mail),
    "STORE": Recorded(MAILDIR, flags, more_mail),
    "queue run": Recorded(MAILDIR, queue_run, a_queue),
    "mbox first delivery": Recorded({"ann": "mbox"}, a_first_message),
    "mbox delivery": Recorded({"ann": "maildir", "bob": "mbox"}, deliveries, some_mail),
    "mbox APPEND": Recorded(MBOX, appends, some_mail),
    "mbox MULTIAPPEND and REPLACE": Recorded(MBOX, together, some_mail),
    "mbox COPY and MOVE": Recorded(MBOX, copies_and_moves, more_mail),
    "COPY and MOVE between accounts": Recorded(MAILDIR, handed_over, more_mail),
    "mbox COPY and MOVE between accounts": Recorded(MBOX, handed_over, more_mail),
    "mbox EXPUNGE": Recorded(MBOX, expunges, more_mail),
    "mbox STORE": Recorded(MBOX, flags, more_mail),
    "mbox RENAME": Recorded(MBOX, a_folder_renamed, filed_mail),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One kind of flush taken out of one path: `pattern` matches the files that are not flushed any more; with
    `quick_commit` no COMMIT waits for the disk.
    """

    path: str
    pattern: str = ""
    quick_commit: bool = False


# Without any of these a promise is broken; a test that does not notice is worth nothing.
MUTANTS: Mapping[str, Mutant] = {
    "the journal": Mutant("delivery", r"/spool/journal/"),
    "the content of a message": Mutant("delivery without a journal", r"/Maildir/tmp/|/spool/queue/\w\w/\w+$"),
    "its name in new/": Mutant("delivery without a journal", r"/new$"),
    "the folder of the spool": Mutant("delivery without a journal", r"/spool/queue/\w\w$"),
    "the folders of an account": Mutant("first delivery without a journal", r"/(ann|Maildir|mail\.test)$"),
    "the rows": Mutant("delivery", quick_commit=True),
    "the content of a large message": Mutant("large message", r"/spool/(queue/\w\w|incoming)/\w+$|/Maildir/tmp/"),
    "the journal of an APPEND": Mutant("APPEND", r"/spool/journal/"),
    "the content of an APPEND": Mutant("APPEND without a journal", r"/Maildir/(\.Archive/)?tmp/"),
    "the name of an APPEND": Mutant("APPEND without a journal", r"/(new|cur)$"),
    "the content of several": Mutant("MULTIAPPEND and REPLACE", r"/Maildir/tmp/"),
    "the names of several": Mutant("MULTIAPPEND and REPLACE", r"/Maildir/(tmp|new|cur)$"),
    "the content of what is moved": Mutant("fresh mail", r"/Maildir/(new|cur)/"),
    "the target of a COPY": Mutant("COPY and MOVE", r"/\.Archive/cur$"),
    "an mbox file": Mutant("mbox delivery", r"/mbox/INBOX$"),
    "the announcement of an append": Mutant("mbox delivery", r"/INBOX\.append$"),
    "the folder of an mbox file": Mutant("mbox first delivery", r"/mbox$"),
    "the redo file": Mutant("mbox EXPUNGE", r"/INBOX\.redo-new$"),
    "the name of the redo file": Mutant("mbox EXPUNGE", r"/mbox$"),
    "flags before a rewrite": Mutant("mbox STORE", r"/mbox/INBOX$"),
    "a report": Mutant("queue run", r"/spool/queue/\w\w/\w+$"),
}
