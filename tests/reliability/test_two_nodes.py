"""Two machines on one database and one mail volume: everything at once on the same mailbox, from both.

UIDs neither repeat nor shrink, no flag is lost, a message that many want to move is moved once, nothing is expunged
under a client's feet, both nodes show the same, and what is on the disk is what is in the index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from mailcore.identity import AccountRef
from mailcore.index.index import message_rows
from mailcore.mailbox.reconcile import compare
from mailcore.store.storage import Storage
from tests.fixtures_servers import Servers
from tests.integration.imap_server import RawClient
from tests.reliability.nodes import Cluster, cluster
from tests.reliability.shared_mailbox import (
    NUMBER,
    UID,
    UID_FLAGS,
    WORKERS,
    Place,
    Play,
    flag,
    move,
    prepare,
    watch_numbers,
)

pytestmark = pytest.mark.timeout(300)

MAILBOXES = ("INBOX", "Archive", "Copies")
# While everything happens at once, on a machine that has other things to do.
TOLD_WITHIN_S = 5.0

Content = dict[int, tuple[str, frozenset[str]]]
"""By UID: the number in the header, and the flags."""


def content_of(client: RawClient, mailbox: str) -> Content:
    """A mailbox as a new session sees it."""
    client.ok(f"SELECT {mailbox}".encode())
    flags = {int(uid): found for uid, found in UID_FLAGS.findall(client.ok(b"UID FETCH 1:* FLAGS").text)}
    lines = client.ok(b"UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (X-NUMBER)]").untagged
    numbers = {int(uid[1]): NUMBER.search(line)[1] for line in lines if (uid := UID.search(line))}  # type: ignore[index]
    assert flags.keys() == numbers.keys()
    return {
        uid: (numbers[uid].decode(), frozenset(flags[uid].decode().split()) - {"\\Recent"}) for uid in sorted(numbers)
    }


def assert_disk_is_index(found: Cluster, address: str, store: str) -> None:
    """Every row has its message with its flags, every message its row; the counters are those of the rows."""
    ((account_id,),) = found.execute("SELECT id FROM account WHERE address = %s", (address,))
    messages = Storage(found.home / "mail").store(AccountRef(account_id, address, store))
    with psycopg.connect(found.database_url) as conn:
        boxes = conn.execute(
            "SELECT id, name, messages, unseen, size FROM mailbox WHERE account_id = %s", [account_id]
        ).fetchall()
        for mailbox_id, name, *counters in boxes:
            rows, scan = message_rows(conn, mailbox_id), messages.scan(name)
            assert not compare(scan.messages, scan.nameable, rows), name
            assert scan.messages.keys() == {row.store_key for row in rows}, name
            assert counters == [len(rows), sum(not row.flags & 1 for row in rows), sum(row.size for row in rows)]


def last_place(moves: dict[Place, Place], place: Place) -> Place:
    while place in moves:
        place = moves[place]
    return place


def assert_nothing_was_lost(play: Play, contents: dict[str, Content]) -> int:
    """Compares what the clients were told with what is there. Returns how many changes of flags were looked at."""
    truth = play.truth
    kept = Counter(number for name in ("INBOX", "Archive") for number, _ in contents[name].values())
    assert not [number for number, count in kept.items() if count > 1], "a MOVE has doubled a message"
    assert not truth.numbers - kept.keys() - truth.doomed, "acknowledged and gone"
    assert len(contents["Copies"]) >= truth.copies > 0

    sources = [source for source, _ in truth.moves]
    assert len(sources) == len(set(sources)), "one message was moved twice"
    moves = dict(truth.moves)
    checked = 0
    for own, changes in truth.flags.items():
        expected = {last_place(moves, place): is_set for place, is_set in changes}
        for (mailbox, uid), is_set in expected.items():
            if uid in contents[mailbox]:
                number, flags = contents[mailbox][uid]
                assert (own in flags) is is_set, (number, own, is_set, flags)
                checked += 1
    return checked


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_everything_at_once_from_two_nodes(
    servers: Servers, tmp_path: Path, store: str, length: Callable[..., float], record: Callable[..., None]
) -> None:
    with cluster(servers, tmp_path) as found:
        nodes = [found.start(name) for name in ("north", "south")]
        address = found.account(store)
        play = Play(address, nodes)
        prepare(nodes[0], address, play.truth)
        for worker in WORKERS:
            play.add(worker, per_node=2 if worker in (flag, move) else 1)
        play.nodes, both = nodes[:1], nodes
        play.add(watch_numbers)
        play.nodes = both

        play.run(length(6 if store == "maildir" else 4, 60))

        north, south = ({name: content_of(node.imap(address), name) for name in MAILBOXES} for node in nodes)
        assert north == south
        for client in play.truth.clients:
            client.look()
            assert client.known() == list(north["INBOX"]), "what a session was told adds up to what is there"
        assert_disk_is_index(found, address, store)
        checked = assert_nothing_was_lost(play, north)
        queued = found.execute("SELECT count(*) FROM queue_recipient")
        assert queued == [(0,)], "every delivery found its mailbox"
        assert not found.complaints()

    truth = play.truth
    told = sorted(truth.told_after_s)
    assert len(told) > 2 and told[-1] < TOLD_WITHIN_S, told[-3:]
    assert checked > 20 and len(truth.moves) > 10 and truth.doomed
    record(
        5,
        f"everything at once from two nodes, {store}",
        commands=truth.commands,
        messages=len(truth.numbers),
        moves=len(truth.moves),
        copies=truth.copies,
        expunged=len(truth.doomed),
        flags_checked=checked,
        come_again=truth.busy,
        told_by_the_other_node_p50_ms=round(told[len(told) // 2] * 1000),
        told_by_the_other_node_max_ms=round(told[-1] * 1000),
    )
