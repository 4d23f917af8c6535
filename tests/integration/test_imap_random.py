"""Random operations of several connections on one mailbox, checked against a model of it.

Each client knows only what the server told it: EXISTS and EXPUNGE keep its list of messages. Whatever happens, its
numbers must fit that list, and at NOOP it must know exactly what the model knows.
"""

import os
import random
import re
import time
from dataclasses import dataclass, field

import pytest

from tests.integration.imap_server import (  # noqa: F401
    Answer,
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

SECONDS = float(os.environ.get("IMAP_RANDOM_SECONDS", "6"))
FLAGS = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "one", "two"]
FETCHED = re.compile(rb"\* (\d+) FETCH \((.*)\)\r\n\Z", re.DOTALL)


@dataclass
class Model:
    """What is in the mailbox."""

    flags: dict[int, set[str]] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)

    def expunge(self, uids: set[int]) -> None:
        for uid in uids & self.flags.keys():
            if "\\Deleted" in self.flags[uid]:
                del self.flags[uid]

    def store(self, uids: set[int], sign: str, flags: set[str]) -> None:
        for uid in uids & self.flags.keys():
            now = self.flags[uid]
            self.flags[uid] = now | flags if sign == "+" else now - flags if sign == "-" else set(flags)


@dataclass
class Client:
    """A connection and what it has been told: the UID of each message, None while it is unknown."""

    raw: RawClient
    messages: list[int | None] = field(default_factory=list)

    def command(self, text: str) -> Answer:
        answer = self.raw.command(text.encode())
        # RFC 2180 section 4.2.2: nothing is left of what STORE names.
        assert answer.status == "OK" or ("STORE" in text and b"[EXPUNGEISSUED]" in answer.tagged), (text, answer.tagged)
        by_number = not text.startswith("UID") and text.split()[0] in ("FETCH", "STORE", "SEARCH")
        for line in answer.untagged:
            self.hear(line, expunge_allowed=not by_number)
        return answer

    def hear(self, line: bytes, *, expunge_allowed: bool) -> None:
        words = line.split()
        if words[2:3] == [b"EXISTS"]:
            assert int(words[1]) >= len(self.messages)
            self.messages += [None] * (int(words[1]) - len(self.messages))
        elif words[2:3] == [b"EXPUNGE"]:
            assert expunge_allowed, line
            del self.messages[int(words[1]) - 1]
        elif fetched := FETCHED.fullmatch(line):
            uid = re.search(rb"\bUID (\d+)", fetched.group(2))
            if uid is not None:
                self.learn(int(fetched.group(1)), int(uid.group(1)))

    def learn(self, number: int, uid: int) -> None:
        assert self.messages[number - 1] in (None, uid), f"number {number} is {uid}, was {self.messages[number - 1]}"
        self.messages[number - 1] = uid

    def learn_all(self) -> None:
        self.command("NOOP")
        if self.messages:
            self.command("FETCH 1:* UID")


class Play:
    """One run."""

    def __init__(self, imap: ImapServer, store: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.model = Model()
        self.copies = 0
        address = imap.account(store)
        self.clients = [Client(imap.login(address)) for _ in range(3)]
        for client in self.clients:
            client.messages = []
            client.command("SELECT INBOX")

    def step(self) -> None:
        client = self.random.choice(self.clients)
        operation = self.random.choice(
            [
                self.append,
                self.store,
                self.store,
                self.expunge,
                self.fetch,
                self.search,
                self.copy,
                self.move,
                self.check,
            ]
        )
        operation(client)

    def some(self, client: Client) -> set[int]:
        """Some messages this client knows the UIDs of; others may have expunged them since."""
        known = [uid for uid in client.messages if uid is not None]
        return set(self.random.sample(known, min(len(known), self.random.randint(1, 3)))) if known else set()

    def named(self, client: Client, uids: set[int]) -> tuple[str, str]:
        """The same messages by UID or by number."""
        if self.random.random() < 0.5:
            return "UID ", ",".join(map(str, sorted(uids)))
        return "", ",".join(str(client.messages.index(uid) + 1) for uid in sorted(uids))

    def append(self, client: Client) -> None:
        body = b"Subject: %d\r\n\r\n%b" % (self.random.randint(0, 99), b"text\r\n" * self.random.randint(0, 500))
        flags = self.random.sample(FLAGS, self.random.randint(0, 2))
        answer = client.raw.append(b"INBOX", body, f"({' '.join(flags)})".encode())
        for line in answer.untagged:
            client.hear(line, expunge_allowed=True)
        found = re.search(rb"APPENDUID \d+ (\d+)", answer.tagged)
        assert found is not None, answer.tagged
        uid = int(found.group(1))
        self.model.flags[uid], self.model.bodies[uid] = set(flags), body

    def store(self, client: Client) -> None:
        uids, sign = self.some(client), self.random.choice(["+", "-", ""])
        if not uids:
            return
        flags = set(self.random.sample(FLAGS, self.random.randint(0, 3)))
        prefix, numbers = self.named(client, uids)
        silent = self.random.choice(["", ".SILENT"])
        answer = client.command(f"{prefix}STORE {numbers} {sign}FLAGS{silent} ({' '.join(sorted(flags))})")
        self.model.store(uids, sign, flags)
        if not silent:
            told = sum(1 for line in answer.untagged if b" FETCH " in line)
            assert told >= len(uids & self.model.flags.keys())

    def expunge(self, client: Client) -> None:
        if self.random.random() < 0.5:
            client.command("EXPUNGE")
            self.model.expunge(set(self.model.flags))
            return
        uids = self.some(client)
        if uids:
            client.command("UID EXPUNGE " + ",".join(map(str, uids)))
            self.model.expunge(uids)

    def fetch(self, client: Client) -> None:
        for uid in self.some(client):
            answer = client.command(f"UID FETCH {uid} (BODY.PEEK[] FLAGS)")
            whole = [line for line in answer.untagged if b"BODY[]" in line]
            assert len(whole) == (uid in self.model.flags)
            if whole:
                assert b"BODY[] {%d}\r\n%b)" % (len(self.model.bodies[uid]), self.model.bodies[uid]) in whole[0]

    def search(self, client: Client) -> None:
        flag = self.random.choice([name for name in FLAGS if name.startswith("\\")])
        answer = client.command(f"UID SEARCH {flag[1:].upper()}")
        (line,) = [line for line in answer.untagged if line.startswith(b"* SEARCH")]
        known = {uid for uid in client.messages if uid is not None}
        found = {int(uid) for uid in line.split()[2:]}
        assert found & known == {uid for uid in self.model.flags if flag in self.model.flags[uid]} & known

    def copy(self, client: Client) -> None:
        uids = self.some(client) & self.model.flags.keys()
        if uids:
            client.command(f"UID COPY {','.join(map(str, uids))} Archive")
            self.copies += len(uids)

    def move(self, client: Client) -> None:
        uids = self.some(client) & self.model.flags.keys()
        if uids and self.random.random() < 0.3:
            prefix, numbers = self.named(client, uids)
            client.command(f"{prefix}MOVE {numbers} Archive")
            self.copies += len(uids)
            for uid in uids:
                del self.model.flags[uid]

    def check(self, client: Client) -> None:
        client.learn_all()
        assert client.messages == sorted(self.model.flags)
        status = client.command("STATUS Archive (MESSAGES)")
        assert b"(MESSAGES %d)" % self.copies in status.text
        if self.model.flags:
            answer = client.command("UID FETCH 1:* FLAGS")
            flags = {
                int(uid): set(found.decode().split()) - {"\\Recent"}
                for uid, found in re.findall(rb"UID (\d+) FLAGS \(([^)]*)\)", answer.text)
            }
            assert flags == self.model.flags


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_random_operations_agree_with_the_model(imap: ImapServer, store: str) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    play = Play(imap, store, seed)
    end, steps = time.monotonic() + SECONDS, 0

    while time.monotonic() < end:
        play.step()
        steps += 1
    for client in play.clients:
        play.check(client)

    assert steps > 30
