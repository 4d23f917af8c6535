"""Many at once on one mailbox: UIDs never repeat, no flag is lost, no message doubled, counters stay right."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailcore.delivery.batch import deliver_batch
from mailcore.index.records import FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes
from tests.contract.mailbox_support import Owner, a_message, a_spool, an_arrival, an_owner, connect

THREADS = 6
ROUNDS = 15


@pytest.fixture(params=["maildir", "mbox"])
def bob(request, database_url, mail_home):
    with an_owner(database_url, mail_home, store=request.param) as owner:
        owner.storage._lock_timeout_s = 60.0
        yield owner
        owner.assert_counters()


def at_once(url: str, owner: Owner, *works: Callable[[Owner, random.Random], None]) -> None:
    """Each work in a thread with a connection of its own."""

    def run(number: int, work: Callable[[Owner, random.Random], None]) -> None:
        with connect(url) as conn:
            work(Owner(conn, owner.storage, owner.account), random.Random(number))

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(run, number, work) for number, work in enumerate(works)]:
            future.result()


def test_deliveries_at_once_share_out_the_uids(bob, database_url, mail_home):
    def deliver(owner, chance):
        for _ in range(ROUNDS):
            arrivals = [an_arrival([owner.account]) for _ in range(chance.randint(1, 4))]
            assert all(isinstance(a, list) for a in deliver_batch(owner.conn, owner.storage, spool, arrivals, 3600))

    spool = a_spool(mail_home)

    at_once(database_url, bob, *[deliver] * THREADS)

    uids = bob.open().uids
    assert uids == list(range(1, len(uids) + 1))
    assert len(bob.storage.store(bob.account).scan("INBOX").messages) == len(uids)


def test_no_flag_is_lost(bob, database_url):
    uids = [bob.append() for _ in range(3)]

    def add_own(number):
        def work(owner, chance):
            for round_number in range(ROUNDS):
                change = FlagChange(FlagMode.ADD, Flags.parse([f"t{number}r{round_number}"]))
                mailboxes.set_flags(owner.conn, owner.storage, owner.account, owner.record(), uids, change)

        return work

    at_once(database_url, bob, *[add_own(number) for number in range(THREADS)])

    expected = sorted(f"t{number}r{round_number}" for number in range(THREADS) for round_number in range(ROUNDS))
    bob.open()
    assert bob.flags() == dict.fromkeys(uids, expected)


def test_a_message_is_moved_by_one_of_many(bob, database_url):
    subjects = [f"message {number}" for number in range(12)]
    uids = [bob.append(a_message(subject)) for subject in subjects]

    def move_all(owner, chance):
        for uid in chance.sample(uids, len(uids)):
            mailboxes.move(owner.conn, owner.storage, owner.account, owner.record(), [uid], "Archive")

    at_once(database_url, bob, *[move_all] * THREADS)

    assert bob.open().uids == []
    archived = bob.open("Archive").uids
    texts = [bob.read(uid, "Archive").decode() for uid in archived]
    assert sorted(archived) == list(range(1, len(uids) + 1))
    assert Counter(text.split("Subject: ")[1].split("\r\n")[0] for text in texts) == Counter(subjects)


@pytest.mark.timeout(240)
def test_everything_at_once(bob, database_url, mail_home):
    """Deliveries, STORE, COPY, MOVE there and back, EXPUNGE, SELECT and search for changes, all on two mailboxes."""
    spool = a_spool(mail_home)
    names = ["\\Seen", "\\Deleted", "\\Flagged", "word"]
    since: dict[str, int] = {}
    alive: dict[str, set[int]] = {}

    def deliver(owner, chance):
        for _ in range(ROUNDS):
            deliver_batch(owner.conn, owner.storage, spool, [an_arrival([owner.account])] * 2, 3600)

    def shuffle(owner, chance):
        for _ in range(ROUNDS):
            name, other = chance.sample(["INBOX", "Archive"], 2)
            record = owner.record(name)
            uids = [row.uid for row in mailboxes.rows(owner.conn, record.id)]
            some = chance.sample(uids, min(3, len(uids)))
            use = owner.conn, owner.storage, owner.account, record, some
            match chance.randrange(4):
                case 0:
                    mailboxes.move(*use, other)
                case 1:
                    mailboxes.copy(*use, other)
                case 2:
                    mailboxes.set_flags(*use, FlagChange(FlagMode.REPLACE, Flags.parse([chance.choice(names)])))
                case _:
                    mailboxes.expunge(*use[:4])

    def watch(owner, chance):
        for name in ("INBOX", "Archive"):
            opened = owner.open(name)
            since[name], alive[name] = opened.record.highestmodseq, set(opened.uids)
        for _ in range(ROUNDS * 3):
            for name in since:
                changes = mailboxes.changes_since(owner.conn, owner.record(name).id, since[name])
                alive[name] = (alive[name] | {row.uid for row in changes.changed}) - set(changes.expunged)
                since[name] = changes.highestmodseq

    at_once(database_url, bob, deliver, deliver, shuffle, shuffle, shuffle, watch)

    for name in since:
        record = bob.record(name)
        changes = mailboxes.changes_since(bob.conn, record.id, since[name])
        told = (alive[name] | {row.uid for row in changes.changed}) - set(changes.expunged)
        uids = [row.uid for row in mailboxes.rows(bob.conn, record.id)]
        assert told == set(uids), "who follows the changes sees what is there"
        assert len(bob.storage.store(bob.account).scan(name).messages) == len(uids)
        assert max(uids, default=0) < record.uidnext
        assert bob.open(name).record.highestmodseq == record.highestmodseq, "index and store agree"
        assert all(bob.read(uid, name).endswith(b"Hello Bob\r\n") for uid in uids)
