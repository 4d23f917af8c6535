"""What is recorded: real code of the appliance on real files and a real database.

Each path says what it begins and what it has been promised, so that the trace holds both. `prepare` is what was there
before and is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from mailcore.delivery.arrival import Arrival
from mailcore.delivery.batch import deliver_batch
from mailcore.identity import AccountRef
from mailcore.mailbox.account import create_mailbox, ensure_inboxes
from mailcore.queue.spool import Spool
from mailcore.store.storage import Storage
from tests.contract.mailbox_support import an_arrival
from tests.reliability.powercut.messages import content_of

LIFETIME_S = 432000
HOSTNAME = "mx.mail.test"
Say = Callable[..., None]


@dataclass
class World:
    """What a path works on. Accounts by the part before the @."""

    home: Path
    conn: psycopg.Connection[Any]
    accounts: Mapping[str, AccountRef]
    say: Say
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

    def arrival(self, tag: str, local: Sequence[str], remote: Sequence[str] = ()) -> Arrival:
        return an_arrival([self.accounts[name] for name in local], remote, content_of(tag))

    def deliver(self, *batch: tuple[str, Sequence[str], Sequence[str]]) -> None:
        """Messages that came together: (tag, accounts here, addresses elsewhere)."""
        added = [[name, "INBOX", tag] for tag, local, _ in batch for name in local]
        queued = [[tag, list(remote)] for tag, _, remote in batch if remote]
        with self.promise(add=added, queue=queued):
            arrivals = [self.arrival(*each) for each in batch]
            answers = deliver_batch(self.conn, self.storage, self.spool, arrivals, LIFETIME_S)
            assert all(isinstance(answer, list) for answer in answers), answers


def nothing(_: World) -> None:
    """What most paths need to be there before."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One path: accounts with their store, what is there before, and what is recorded."""

    accounts: Mapping[str, str]
    run: Callable[[World], None]
    prepare: Callable[[World], None] = nothing


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


PATHS: Mapping[str, Recorded] = {
    "first delivery": Recorded({"ann": "maildir"}, a_first_message),
    "delivery": Recorded({"ann": "maildir", "bob": "maildir"}, deliveries, some_mail),
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
    "the content of a message": Mutant("delivery", r"/Maildir/tmp/|/spool/queue/\w\w/\w+$"),
    "its name in new/": Mutant("delivery", r"/new$"),
    "the folder of the spool": Mutant("delivery", r"/spool/queue/\w\w$"),
    "the folders of an account": Mutant("first delivery", r"/(ann|Maildir|mail\.test)$"),
    "the rows": Mutant("delivery", quick_commit=True),
}
