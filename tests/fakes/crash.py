"""A process that dies without closing its journal, on real PostgreSQL and files: for tests of what recovery finds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailcore.delivery.batch import Arrival, deliver_batch
from mailcore.delivery.recovery import journals
from mailcore.index.records import Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.store.journal import Journal
from tests.contract.mailbox_support import Owner, a_spool, an_owner


class Crash:
    """The lock of its journal goes with it, the segments stay."""

    def __init__(self, owner: Owner, home: Path) -> None:
        self.owner, self.home = owner, home
        self.spool = a_spool(home)
        self.journal = Journal(journals(home), home, keep_s=3600.0)

    def deliver(self, *arrivals: Arrival) -> None:
        """As smtpd does it."""
        deliver_batch(self.owner.conn, self.owner.storage, self.spool, arrivals, 3600, self.journal)

    def append(self, content: bytes, *names: str, mailbox: str = "INBOX") -> mailboxes.AppendedUid:
        """As accessd does it."""
        owner, flags = self.owner, Flags.parse(names)
        return mailboxes.append(owner.conn, owner.storage, owner.account, mailbox, content, flags, None, self.journal)

    def dies(self) -> None:
        """As by kill -9 or a power cut."""
        self.journal._lock.release()

    def files(self) -> list[Path]:
        """The files of all messages."""
        return sorted(path for path in self.home.joinpath("mail").rglob("*") if path.parent.name in ("new", "cur"))


@contextmanager
def a_crash(database_url: str, home: Path) -> Iterator[Crash]:
    """One about to happen to the mail of an account, whose counters are right afterwards."""
    with an_owner(database_url, home) as owner:
        yield Crash(owner, home)
        owner.assert_counters()
