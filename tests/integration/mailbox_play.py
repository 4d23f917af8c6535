"""Random operations of eight connections on one mailbox, through two processes, by IMAP, delivery and other programs.

Everything that is done is done to the model too; what the server answers must fit it, and each client must end up
knowing exactly what the model knows.
"""

from __future__ import annotations

import random
import re
import socket as sockets
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import redis

from mailcore.delivery.batch import LocalRecipient, deliver_batch
from mailcore.events import publish
from mailcore.identity import AccountRef
from mailcore.outcome import Delivered
from mailcore.store.storage import Storage
from tests.contract.mailbox_support import a_recipient, a_spool, an_arrival
from tests.integration.imap_server import Answer, ImapServer
from tests.integration.mailbox_client import Client, Kind
from tests.integration.mailbox_model import Box, Flags, changed

FLAGS = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "one", "two"]
SYSTEM = [flag for flag in FLAGS if flag.startswith("\\")]
KINDS = (
    Kind("plain"),
    Kind("condstore", condstore=True),
    Kind("qresync", condstore=True, qresync=True),
    Kind("quick", condstore=True, qresync=True, only_uids=True),
    Kind("notified", notify="SELECTED", only_uids=True),
    Kind("delayed", notify="SELECTED-DELAYED", condstore=True, qresync=True),
    Kind("idler", idles=True),
    Kind("reader", only_uids=True, examines=True),
)
LIFETIME_S = 3600.0


class Play:
    """One run."""

    def __init__(self, servers: Sequence[ImapServer], redis_url: str, store: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.store_format = store
        self.home: Path = servers[0].home
        self.conn = psycopg.connect(servers[0].database_url, autocommit=True)
        self.redis: redis.Redis = publish.connect(redis_url)
        address = servers[0].account(store)
        self.work, self.archive = Box("Work"), Box("Archive")
        self.renamed = 0
        maker = servers[0].login(address)
        maker.ok(b"CREATE Work")
        row = self.conn.execute("SELECT id FROM account WHERE address = %s", (address,)).fetchone()
        assert row is not None
        self.account = AccountRef(row[0], address, store)
        self.clients = [
            Client(servers[number % len(servers)], address, kind, self.work) for number, kind in enumerate(KINDS)
        ]
        self.said: list[str] = []

    def close(self) -> None:
        self.conn.close()
        self.redis.close()

    def step(self) -> None:
        operations = list(OPERATIONS)
        operation = self.random.choices(operations, [OPERATIONS[each] for each in operations])[0]
        client = self.random.choice(self.clients)
        self.said.append(f"{client.kind.name}: {operation.__name__}")
        self._tried(client, operation)

    def _tried(self, client: Client, operation: Callable[[Play, Client], None]) -> None:
        try:
            operation(self, client)
            client.rest()
        except BaseException as error:
            error.add_note("\n".join([f"{client.kind.name}:", *client.wire]))
            raise

    def check_everybody(self) -> None:
        for client in self.clients:
            self._tried(client, Play.check)

    # Which messages.

    def some(self, client: Client) -> list[int]:
        """Some the client knows; others may have removed them since."""
        client.ready()
        known = list(client.known())
        if known and self.random.random() < 0.1:
            return known
        return sorted(self.random.sample(known, min(len(known), self.random.randint(1, 4))))

    def named(self, client: Client, uids: Sequence[int]) -> tuple[str, str]:
        """The same by UID or by number."""
        numbers = {message.uid: number for number, message in enumerate(client.messages, 1)}
        if client.kind.only_uids or self.random.random() < 0.5:
            return "UID ", ",".join(map(str, uids))
        return "", ",".join(str(numbers[uid]) for uid in uids)

    def flags(self, most: int = 3) -> Flags:
        return set(self.random.sample(FLAGS, self.random.randint(0, most)))

    def text(self) -> bytes:
        return b"Subject: %d\r\n\r\n%b" % (self.random.randint(0, 999), b"text\r\n" * self.random.randint(0, 200))

    # What may happen.

    def append(self, client: Client) -> None:
        box = self.work if self.random.random() < 0.8 else self.archive
        flags, text = self.flags(2), self.text()
        answer = client.command(f"APPEND {box.name} ({' '.join(sorted(flags))})", literal=text)
        box.add(_uids(answer.tagged, "APPENDUID")[0][0], flags, text)

    def store(self, client: Client) -> None:
        uids, sign, flags = self.some(client), self.random.choice(["+", "-", ""]), self.flags()
        if not uids:
            return
        prefix, names = self.named(client, uids)
        silent = self.random.choice(["", ".SILENT"])
        condition, since = self._condition(client, uids)
        numbers = {number: message.uid for number, message in enumerate(client.messages, 1)}
        answer = client.command(f"{prefix}STORE {names}{condition} {sign}FLAGS{silent} ({' '.join(sorted(flags))})")
        if client.kind.examines:
            assert answer.status == "NO"
            return
        spared = {uid if prefix else numbers[uid] for uid in _modified(answer)}
        assert spared <= set(uids) and (condition or not spared)
        there = [uid for uid in uids if uid in self.work.flags]
        if not there and not silent:
            # Who is told at once may have been told in between: then they are no messages at all any more.
            expected = b" NO [EXPUNGEISSUED] "
            assert expected in answer.tagged or client.kind.is_told_at_once, answer.tagged
        for uid in there:
            if uid in spared:
                assert client.known().get(uid) is None or client.known()[uid].modseq > since
        self.work.store([uid for uid in there if uid not in spared], sign, flags)
        for uid, message in client.known().items():
            # After .SILENT the client takes its own change for granted, whatever it has been told before.
            if silent and uid in there and uid not in spared and message.flags is not None:
                message.flags = changed(message.flags, sign, flags)

    def _condition(self, client: Client, uids: Sequence[int]) -> tuple[str, int]:
        if not client.kind.condstore or self.random.random() < 0.5:
            return "", 0
        known = client.known()
        since = self.random.choice([client.highest, *(known[uid].modseq for uid in uids)])
        return f" (UNCHANGEDSINCE {since})", since

    def expunge(self, client: Client) -> None:
        if client.kind.examines:
            return
        if self.random.random() < 0.5:
            client.command("EXPUNGE")
            self.work.expunge()
        elif uids := self.some(client):
            client.command("UID EXPUNGE " + ",".join(map(str, uids)))
            self.work.expunge(uids)

    def fetch_text(self, client: Client) -> None:
        """BODY[] without PEEK: \\Seen."""
        for uid in self.some(client)[:2]:
            client.ready()
            prefix, name = self.named(client, [uid]) if uid in client.known() else ("UID ", str(uid))
            answer = client.command(f"{prefix}FETCH {name} (UID BODY[])")
            whole = [line for line in answer.untagged if b"BODY[]" in line]
            assert len(whole) == (uid in self.work.flags), answer
            if whole:
                text = self.work.texts[uid]
                assert b"BODY[] {%d}\r\n%b)" % (len(text), text) in whole[0]
                if not client.kind.examines:
                    self.work.store([uid], "+", {"\\Seen"})

    def fetch_changes(self, client: Client) -> None:
        if client.kind.condstore:
            vanished = " VANISHED" if client.kind.qresync else ""
            client.command(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {max(client.highest, 1)}{vanished})")

    def fetch_flags(self, client: Client) -> None:
        if client.messages:
            client.command(f"UID FETCH 1:* {client.items}")

    def search(self, client: Client) -> None:
        flag, answer = self.random.choice(SYSTEM), None
        client.ready()
        known = set(client.known())
        if client.messages and not client.kind.only_uids and self.random.random() < 0.5:
            answer = client.command(f"UID SEARCH 1:{len(client.messages)} {flag[1:].upper()}")
        else:
            answer = client.command(f"UID SEARCH {flag[1:].upper()}")
        [line] = [line for line in answer.untagged if line.startswith(b"* SEARCH")]
        found = set(map(int, line.split()[2:]))
        assert found & known == {uid for uid in self.work.flags if flag in self.work.flags[uid]} & known

    def copy(self, client: Client) -> None:
        uids = self.some(client)
        if not uids:
            return
        target = self.archive if self.random.random() < 0.6 else self.work
        prefix, names = self.named(client, uids)
        answer = client.command(f"{prefix}COPY {names} {target.name}")
        self._transferred(answer.tagged, uids, target)

    def move(self, client: Client) -> None:
        uids = self.some(client)[:3]
        if not uids or client.kind.examines:
            return
        prefix, names = self.named(client, uids)
        answer = client.command(f"{prefix}MOVE {names} {self.archive.name}")
        codes = [line for line in answer.untagged if b"COPYUID" in line]
        self._transferred(codes[0] if codes else answer.tagged, uids, self.archive)
        self.work.remove([uid for uid in uids if uid in self.work.flags])

    def _transferred(self, line: bytes, uids: Sequence[int], target: Box) -> None:
        there = [uid for uid in uids if uid in self.work.flags]
        if not there:
            assert b" NO [EXPUNGEISSUED] " in line or b" OK Nothing to do" in line, line
            return
        sources, targets = _uids(line, "COPYUID")
        assert sources == there
        for source, uid in zip(sources, targets, strict=True):
            target.add(uid, self.work.flags[source], self.work.texts[source])

    def leave(self, client: Client) -> None:
        """CLOSE or UNSELECT, and come back."""
        command = self.random.choice(["CLOSE", "UNSELECT"])
        answer = client.command(command) if not client.kind.idles else None
        if answer is None:
            client.hang_up()
            return
        assert not re.search(rb"EXPUNGE|VANISHED", answer.text)
        if command == "CLOSE" and not client.kind.examines:
            self.work.expunge()
        client.select()

    def hang_up(self, client: Client) -> None:
        client.hang_up()
        assert not (difference := client.difference()), f"after coming back {difference}"

    def rename(self, client: Client) -> None:
        self.renamed += 1
        old, self.work.name = self.work.name, f"Work{self.renamed % 3}"
        if old != self.work.name:
            assert client.command(f"RENAME {old} {self.work.name}").status == "OK"

    def status(self, client: Client) -> None:
        box = self.random.choice([self.work, self.archive])
        answer = client.command(f"STATUS {box.name} (MESSAGES UIDNEXT UNSEEN)")
        unseen = sum("\\Seen" not in flags for flags in box.flags.values())
        assert b"(MESSAGES %d UIDNEXT %d UNSEEN %d)" % (len(box.flags), box.uidnext, unseen) in answer.text

    def deliver(self, client: Client) -> None:
        """As the mail transfer agent does it."""
        text = self.text()
        local = LocalRecipient(a_recipient(self.account.address), self.account, self.work.name)
        arrival = an_arrival([local], content=text.replace(b"\r\n", b"\n"))
        touched: list[int] = []
        storage = Storage(self.home / "mail")
        [[outcome]] = deliver_batch(  # type: ignore[misc]
            self.conn, storage, a_spool(self.home), [arrival], LIFETIME_S, on_commit=touched.extend
        )
        assert isinstance(outcome, Delivered), outcome
        publish.mailbox_changed(self.redis, touched)
        self.work.add(self.work.uidnext, set(), text)
        self._learn_text(self.work.uidnext - 1)

    def _learn_text(self, uid: int) -> None:
        """Delivery adds header lines of its own."""
        reader = self.clients[0]
        reader.command("NOOP")
        answer = reader.command(f"UID FETCH {uid} (BODY.PEEK[])")
        [whole] = [line for line in answer.untagged if b"BODY[]" in line]
        size = re.search(rb"BODY\[\] \{(\d+)\}\r\n", whole)
        assert size is not None
        self.work.texts[uid] = whole[size.end() : size.end() + int(size.group(1))]

    def drop_file(self, client: Client) -> None:
        """Another program puts a file into the folder, and tells nobody."""
        if self.store_format != "maildir":
            return
        local, _, domain = self.account.address.partition("@")
        folder = self.home / "mail" / domain / local / "Maildir" / f".{self.work.name}"
        uid, text = self.work.uidnext, self.text()
        name = f"{uid + 1_000_000_000}.M{self.random.randrange(10**9)}.{sockets.gethostname()}"
        (folder / "tmp" / name).write_bytes(text.replace(b"\r\n", b"\n"))
        (folder / "tmp" / name).rename(folder / "new" / name)
        self.work.add(uid, set(), text)
        # Somebody must look before anything else gets that UID.
        client.command("NOOP")

    def all_at_once(self, client: Client) -> None:
        """Several send before any has an answer. What they do gives the same in any order."""
        flags = {self.random.choice(FLAGS)}
        begun = []
        for each in self.random.sample(self.clients, 4):
            uids = self.some(each)
            if not uids or each.kind.examines:
                each.rest()
            else:
                prefix, names = self.named(each, uids)
                text = f"{prefix}STORE {names} +FLAGS ({' '.join(flags)})"
                begun.append((each, uids, each.begin(text)))
        for each, uids, sent in begun:
            each.finish(sent)
            self.work.store(uids, "+", flags)

    def check(self, client: Client) -> None:
        client.check()


OPERATIONS: dict[Callable[[Play, Client], None], int] = {
    Play.append: 12,
    Play.store: 24,
    Play.expunge: 8,
    Play.fetch_text: 6,
    Play.fetch_changes: 6,
    Play.fetch_flags: 4,
    Play.search: 6,
    Play.copy: 5,
    Play.move: 5,
    Play.leave: 2,
    Play.hang_up: 6,
    Play.rename: 2,
    Play.status: 3,
    Play.deliver: 4,
    Play.drop_file: 2,
    Play.all_at_once: 6,
    Play.check: 12,
}


def _modified(answer: Answer) -> list[int]:
    found = re.search(rb"\[MODIFIED ([0-9,:]+)\]", answer.tagged)
    return _expand(found.group(1)) if found else []


def _uids(line: bytes, code: str) -> list[list[int]]:
    found = re.search(rb"\[%b \d+ ([0-9:, ]+)\]" % code.encode(), line)
    assert found is not None, line
    return [_expand(part) for part in found.group(1).split()]


def _expand(text: bytes) -> list[int]:
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found += range(int(low), int(high or low) + 1)
    return found
