"""What many clients do to one mailbox at once, and what each of them knows to be true afterwards.

Every message has a number in its header. Every worker owns what it changes, so that the end is known although nobody
waits for anybody: a flag or keyword belongs to one flagger, a message marked \\Deleted is noted by its number before.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.integration.imap_server import Answer
from tests.integration.imap_server import RawClient as ImapClient
from tests.reliability.nodes import Node

FETCHED = re.compile(rb"\* (\d+) FETCH \((.*)\)\r\n\Z", re.DOTALL)
UID_FLAGS = re.compile(rb"UID (\d+) FLAGS \(([^)]*)\)")
NUMBER = re.compile(rb"X-Number: (\S+)")
UID = re.compile(rb"\bUID (\d+)")
COPYUID = re.compile(rb"COPYUID \d+ (\S+) (\S+)\]")
# What a client may be told when it comes at a bad moment; it tries again.
COME_AGAIN = (b"[INUSE]", b"[UNAVAILABLE]")
NO_LONGER = b"[EXPUNGEISSUED]"

Place = tuple[str, int]
"""Mailbox and UID."""


def message(number: str) -> bytes:
    return b"X-Number: %b\r\nSubject: shared\r\n\r\n%b" % (number.encode(), b"text\r\n" * 20)


def uids_of(text: bytes) -> list[int]:
    """`1,3:5` as numbers, in order."""
    ranges = [part.partition(b":") for part in text.split(b",")]
    return [uid for low, _, high in ranges for uid in range(int(low), int(high or low) + 1)]


@dataclass
class Truth:
    """What was acknowledged, by all workers together."""

    numbers: set[str] = field(default_factory=set)
    uid_of: dict[str, int] = field(default_factory=dict)
    moves: list[tuple[Place, Place]] = field(default_factory=list)
    copies: int = 0
    doomed: set[str] = field(default_factory=set)
    flags: dict[str, list[tuple[Place, bool]]] = field(default_factory=dict)
    told_after_s: list[float] = field(default_factory=list)
    busy: int = 0
    commands: int = 0
    errors: list[BaseException] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """A session that has selected a mailbox: the UID of each message it was told of, None while it is unknown."""

    def __init__(self, node: Node, address: str, truth: Truth, mailbox: str = "INBOX") -> None:
        self.raw: ImapClient = node.imap(address)
        self.truth = truth
        self.mailbox = mailbox
        self.messages: list[int | None] = []
        self.command(f"SELECT {mailbox}")
        truth.clients.append(self)

    def command(self, text: str) -> Answer:
        """Raises AssertionError at an answer that is not allowed, and for an EXPUNGE at the wrong moment."""
        answer = self.raw.command(text.encode())
        by_number = not text.startswith("UID") and text.split()[0] in ("FETCH", "STORE", "SEARCH")
        for line in answer.untagged:
            self.hear(line, expunge_allowed=not by_number)
        with self.truth.lock:
            self.truth.commands += 1
            self.truth.busy += any(code in answer.tagged for code in COME_AGAIN)
        assert answer.status == "OK" or any(code in answer.tagged for code in (*COME_AGAIN, NO_LONGER)), answer.tagged
        return answer

    def hear(self, line: bytes, *, expunge_allowed: bool) -> None:
        """Keep the list as RFC 3501 section 7.4.1 says a client may."""
        words = line.split(b" ", 3)
        if words[2:3] == [b"EXISTS\r\n"]:
            assert int(words[1]) >= len(self.messages), "EXISTS shrinks only by EXPUNGE"
            self.messages += [None] * (int(words[1]) - len(self.messages))
        elif words[2:3] == [b"EXPUNGE\r\n"]:
            assert expunge_allowed, line
            del self.messages[int(words[1]) - 1]
        elif (fetched := FETCHED.fullmatch(line)) and (uid := UID.search(fetched[2])):
            self.learn(int(fetched[1]), int(uid[1]))

    def learn(self, number: int, uid: int) -> None:
        """A number and its UID: the same as before, larger than those before it, smaller than those after it."""
        known = self.messages[number - 1]
        assert known in (None, uid), f"message {number} has UID {uid}, was {known}"
        if known is None:
            before = next((each for each in reversed(self.messages[: number - 1]) if each), 0)
            assert before < uid, f"UID {uid} behind UID {before}"
            self.messages[number - 1] = uid

    def look(self) -> None:
        """Learn what others have done."""
        self.command("NOOP")
        if None in self.messages:
            first = self.messages.index(None) + 1
            self.command(f"FETCH {first}:* UID")

    def known(self) -> list[int]:
        return [uid for uid in self.messages if uid is not None]


Work = Callable[[], None]


@dataclass
class Play:
    """All workers, each a thread with a connection of its own, until the time is over."""

    address: str
    nodes: list[Node]
    truth: Truth = field(default_factory=Truth)
    ends_at: float = 0.0
    threads: list[threading.Thread] = field(default_factory=list)

    def add(self, worker: Callable[[Play, Node, int], None], per_node: int = 1) -> None:
        for place, node in enumerate(self.nodes):
            for index in range(per_node):
                number = place * per_node + index
                self.threads.append(threading.Thread(target=self._run, args=(worker, node, number), daemon=True))

    def _run(self, worker: Callable[[Play, Node, int], None], node: Node, number: int) -> None:
        try:
            worker(self, node, number)
        except BaseException as error:
            self.truth.errors.append(error)
            self.ends_at = 0.0

    def run(self, seconds: float) -> None:
        """Raises what a worker raised."""
        self.ends_at = time.monotonic() + seconds
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(seconds + 60)
            assert not thread.is_alive(), "a worker hangs"
        if self.truth.errors:
            raise self.truth.errors[0]

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.ends_at


def deliver(play: Play, node: Node, worker: int) -> None:
    """SMTP: ten messages on each connection."""
    count = 0
    while play.goes_on:
        client = node.smtp()
        for _ in range(10):
            number = f"smtp-{worker}-{count}"
            count += 1
            assert client.code(b"MAIL FROM:<sender@there.test>") == b"250"
            assert client.code(f"RCPT TO:<{play.address}>".encode()) == b"250"
            assert client.code(b"DATA") == b"354"
            if client.code(message(number) + b".")[:3] == b"250":
                play.truth.numbers.add(number)
            time.sleep(0.02)
        client.close()


def append(play: Play, node: Node, worker: int) -> None:
    """APPEND; the UIDs it is told only grow."""
    client, last, count = Client(node, play.address, play.truth), 0, 0
    while play.goes_on:
        number = f"append-{worker}-{count}"
        count += 1
        answer = client.raw.append(b"INBOX", message(number))
        for line in answer.untagged:
            client.hear(line, expunge_allowed=True)
        found = re.search(rb"APPENDUID \d+ (\d+)", answer.tagged)
        if found is None:
            assert any(code in answer.tagged for code in COME_AGAIN), answer.tagged
            continue
        uid = int(found[1])
        assert uid > last, f"UID {uid} after {last}"
        last = uid
        with play.truth.lock:
            play.truth.numbers.add(number)
            assert uid not in play.truth.uid_of.values(), f"UID {uid} twice"
            play.truth.uid_of[number] = uid
        time.sleep(0.02)


# One for each flagger; the last ones are keywords, which Maildir keeps as letters.
OWN_FLAGS = ["\\Flagged", "\\Answered", "own-c", "own-d"]


def flag(play: Play, node: Node, worker: int) -> None:
    """Sets and clears a flag of its own on messages that all share."""
    chance, own = random.Random(worker), OWN_FLAGS[worker]
    client, noted = Client(node, play.address, play.truth), play.truth.flags.setdefault(own, [])
    while play.goes_on:
        client.look()
        known = client.known()
        if not known:
            continue
        uids = chance.sample(known, min(len(known), chance.randint(1, 6)))
        is_set = chance.random() < 0.6
        answer = client.command(f"UID STORE {','.join(map(str, uids))} {'+' if is_set else '-'}FLAGS ({own})")
        for text in answer.untagged:
            for uid, flags in UID_FLAGS.findall(text):
                if int(uid) in uids and answer.status == "OK":
                    assert (own.lower().encode() in flags.lower().split()) is is_set, (text, is_set)
                    noted.append((("INBOX", int(uid)), is_set))


def read(play: Play, node: Node, worker: int) -> None:
    """FETCH of bodies, by number, and SEARCH: nothing may be expunged in their course."""
    client = Client(node, play.address, play.truth)
    chance = random.Random(worker)
    while play.goes_on:
        client.look()
        if client.messages:
            first = chance.randint(1, len(client.messages))
            client.command(f"FETCH {first}:{min(first + 5, len(client.messages))} (UID FLAGS BODY.PEEK[])")
            client.command("SEARCH UNDELETED SUBJECT shared")


def move(play: Play, node: Node, worker: int) -> None:
    """All movers want the same messages: the oldest."""
    client = Client(node, play.address, play.truth)
    while play.goes_on:
        client.look()
        wanted = [uid for uid in client.known() if uid > 1][:4]
        if len(client.known()) < 12:
            time.sleep(0.02)
            continue
        answer = client.command(f"UID MOVE {','.join(map(str, wanted))} Archive")
        found = COPYUID.search(b"".join([*answer.untagged, answer.tagged]))
        if found:
            moved = zip(uids_of(found[1]), uids_of(found[2]), strict=True)
            with play.truth.lock:
                play.truth.moves += [(("INBOX", source), ("Archive", target)) for source, target in moved]


def copy(play: Play, node: Node, worker: int) -> None:
    client, chance = Client(node, play.address, play.truth), random.Random(worker)
    while play.goes_on:
        client.look()
        known = client.known()
        if known:
            uids = chance.sample(known, min(2, len(known)))
            answer = client.command(f"UID COPY {','.join(map(str, uids))} Copies")
            if found := COPYUID.search(answer.tagged):
                with play.truth.lock:
                    play.truth.copies += len(uids_of(found[1]))
        time.sleep(0.05)


def expunge(play: Play, node: Node, worker: int) -> None:
    """Marks messages of its choice, notes their numbers before, and expunges."""
    client, chance = Client(node, play.address, play.truth), random.Random(worker)
    while play.goes_on:
        client.look()
        known = [uid for uid in client.known() if uid > 1]
        if len(known) > 15:
            uid = chance.choice(known)
            answer = client.command(f"UID FETCH {uid} BODY.PEEK[HEADER.FIELDS (X-NUMBER)]")
            if found := NUMBER.search(answer.text):
                play.truth.doomed.add(found[1].decode())
                client.command(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                client.command(chance.choice([f"UID EXPUNGE {uid}", "EXPUNGE"]))
        time.sleep(0.02)


def watch_numbers(play: Play, node: Node, worker: int) -> None:
    """UIDNEXT and HIGHESTMODSEQ never fall, whichever node is asked; UIDVALIDITY stays."""
    clients = [each.imap(play.address) for each in play.nodes]
    before = (0, 0, 0)
    while play.goes_on:
        for client in clients:
            answer = client.ok(b"STATUS INBOX (UIDVALIDITY UIDNEXT HIGHESTMODSEQ)")
            now = tuple(int(number) for number in re.findall(rb"[A-Z] (\d+)", answer.text))
            assert len(now) == 3 and now[0] == (before[0] or now[0])
            assert now[1] >= before[1] and now[2] >= before[2], (before, now)
            before = now
        time.sleep(0.02)


def probe(play: Play, node: Node, worker: int) -> None:
    """Changes \\Draft of the first message here and waits until a session that idles on the other node is told."""
    other = play.nodes[(play.nodes.index(node) + 1) % len(play.nodes)]
    here, there = Client(node, play.address, play.truth), Client(other, play.address, play.truth)
    keyword = f"probe-{worker}"
    there.raw.send(b"i IDLE\r\n")
    is_set = False
    while play.goes_on:
        is_set = not is_set
        begun = time.monotonic()
        here.command(f"UID STORE 1 {'+' if is_set else '-'}FLAGS.SILENT ({keyword})")
        while True:
            line = there.raw.read_line()
            there.hear(line, expunge_allowed=True)
            told = UID_FLAGS.search(line)
            if told and told[1] == b"1" and (keyword.encode() in told[2].split()) is is_set:
                break
        play.truth.told_after_s.append(time.monotonic() - begun)
        time.sleep(0.1)
    there.raw.send(b"DONE\r\n")
    for line in there.raw.read_answer(b"i").untagged:
        there.hear(line, expunge_allowed=True)


WORKERS = (deliver, append, flag, read, move, copy, expunge, probe)


def prepare(node: Node, address: str, truth: Truth) -> None:
    """The mailboxes, and a first message that everybody leaves where it is."""
    client = node.imap(address)
    client.ok(b"CREATE Copies")
    answer = client.append(b"INBOX", message("first"))
    assert answer.status == "OK", answer.tagged
    truth.numbers.add("first")
