"""A connection that believes nothing but what it is told of a mailbox, and checks at every response that the server may
tell this now (RFC 3501 section 7.4.1, RFC 9051 section 7.5.1, RFC 2180, RFC 5465, RFC 7162).
"""

from __future__ import annotations

import re
import select
import time
from collections import deque
from dataclasses import dataclass

from tests.integration.imap_server import Answer, ImapServer, RawClient
from tests.integration.mailbox_model import Box, Flags

FETCHED = re.compile(rb"\* (\d+) FETCH \((.*)\)\r\n\Z", re.DOTALL)
UID, FLAGS = re.compile(rb"\bUID (\d+)"), re.compile(rb"\bFLAGS \(([^)]*)\)")
MODSEQ, CODE = re.compile(rb"\bMODSEQ \((\d+)\)"), re.compile(rb"(?:OK|NO) \[HIGHESTMODSEQ (\d+)\]")
TEXT = re.compile(rb"BODY\[\] \{(\d+)\}\r\n")
SETTLED_S = 10.0


@dataclass(frozen=True)
class Kind:
    """What a client makes use of."""

    name: str
    condstore: bool = False
    qresync: bool = False
    notify: str = ""
    """SELECTED or SELECTED-DELAYED."""
    idles: bool = False
    only_uids: bool = False
    examines: bool = False

    @property
    def is_told_at_once(self) -> bool:
        return self.idles or bool(self.notify)


@dataclass
class Message:
    """What is known of a message; nothing, when only EXISTS told of it."""

    uid: int = 0
    flags: Flags | None = None
    modseq: int = 0


class Client:
    """One connection with a mailbox selected."""

    def __init__(self, server: ImapServer, address: str, kind: Kind, box: Box) -> None:
        self.server, self.address, self.kind, self.box = server, address, kind, box
        self.messages: list[Message] = []
        self.uidvalidity = self.highest = 0
        self._exists_at_select = 0
        self._back: dict[int, Message] = {}
        self._numbers_told: dict[int, int] = {}
        self._modseqs: list[int] = []
        self._corrected = 0
        self._idling = False
        self.wire: deque[str] = deque(maxlen=40)
        self._connect()
        self.select()

    def _send(self, data: bytes) -> None:
        self.wire.append(f"C: {data[:200]!r}")
        self.raw.send(data)

    def _line(self) -> bytes:
        line = self.raw.read_line()
        self.wire.append(f"S: {line[:200]!r}")
        return line

    # Connections.

    def _connect(self) -> None:
        self.raw: RawClient = self.server.login(self.address)
        self._idling = False
        if self.kind.qresync:
            assert b"QRESYNC" in self.raw.ok(b"ENABLE QRESYNC").text
        elif self.kind.condstore:
            self.raw.ok(b"ENABLE CONDSTORE")
        if self.kind.notify:
            items = "UID FLAGS MODSEQ" if self.kind.condstore else "UID FLAGS"
            events = f"(MessageNew ({items}) MessageExpunge FlagChange)"
            self.raw.ok(f"NOTIFY SET ({self.kind.notify} {events})".encode())

    def hang_up(self) -> None:
        """Without a word, and come back."""
        self.raw.close()
        self.server.clients.remove(self.raw)
        self._connect()
        if self.kind.qresync:
            self.resynchronise()
        else:
            self.select()

    def select(self) -> None:
        """Begin with nothing."""
        self.messages, self._modseqs, self._corrected = [], [], 0
        self._open("")
        self.learn()

    def resynchronise(self) -> None:
        """Come back with what was known (RFC 7162 section 3.2.5). Some messages' UIDs may never have been told."""
        samples = [(number, message.uid) for number, message in enumerate(self.messages, 1) if message.uid]
        self._back = {message.uid: message for message in self.messages if message.uid}
        uids = f" {','.join(map(str, self._back))}" if self._back else ""
        sample = samples[len(samples) // 2] if samples else None
        pair = f" ({sample[0]} {sample[1]})" if sample else ""
        self._numbers_told = {}
        self._modseqs, self._corrected = [], 0
        self._open(f" (QRESYNC ({self.uidvalidity} {max(self.highest, 1)}{uids}{pair}))")
        self.messages = [Message() for _ in range(self._exists_at_select)]
        if self.messages:
            self.command("UID FETCH 1:* UID")
        there = {message.uid for message in self.messages}
        assert self._back.keys() <= there, f"{self._back.keys() - there} are gone and were not named"
        self.messages = [self._back.get(message.uid, message) for message in self.messages]
        for uid, number in self._numbers_told.items():
            assert self.messages[number - 1].uid == uid
        self.learn()

    def _open(self, parameter: str) -> None:
        verb = "EXAMINE" if self.kind.examines else "SELECT"
        tag = self.raw.tag()
        self._send(b"%b %b %b%b\r\n" % (tag, verb.encode(), self.box.name.encode(), parameter.encode()))
        while not (line := self._line()).startswith(tag + b" "):
            self._hear_opening(line, known=bool(parameter))
        assert b" OK " in line, line
        if not parameter:
            self.messages = [Message() for _ in range(self._exists_at_select)]
        self._end_of_command(line)
        if self.kind.idles:
            self._idle()

    def _hear_opening(self, line: bytes, *, known: bool) -> None:
        words = line.split()
        if words[2:3] == [b"EXISTS"]:
            self._exists_at_select = int(words[1])
        elif found := re.search(rb"\[UIDVALIDITY (\d+)\]", line):
            assert self.uidvalidity in (0, int(found.group(1))), "nothing here changes it"
            self.uidvalidity = int(found.group(1))
        elif line.startswith(b"* VANISHED (EARLIER) "):
            assert known
            for uid in _numbers(words[3]):
                assert uid not in self._numbers_told
                self._back.pop(uid, None)
        elif fetched := FETCHED.fullmatch(line):
            assert known
            self._hear_what_was_missed(int(fetched.group(1)), fetched.group(2))
        else:
            assert not line.startswith(b"* VANISHED"), line
            self._note_code(line)

    def _hear_what_was_missed(self, number: int, data: bytes) -> None:
        uid, flags, modseq = UID.search(data), FLAGS.search(data), MODSEQ.search(data)
        assert uid and flags and modseq, data
        self._numbers_told[int(uid.group(1))] = number
        self._modseqs.append(int(modseq.group(1)))
        if message := self._back.get(int(uid.group(1))):
            message.flags, message.modseq = _flags(flags), int(modseq.group(1))

    # Commands.

    def command(self, text: str, *, literal: bytes = b"") -> Answer:
        """Run one; whatever comes with its answer is believed, if it may come."""
        self.ready()
        return self._after(self._run(text, literal))

    def _after(self, answer: Answer) -> Answer:
        # VANISHED is of use only to who knows the UIDs of all messages.
        while self.kind.qresync and self._unknown():
            self._run(self._question())
        if self.kind.idles:
            self._idle()
        return answer

    def ready(self) -> None:
        """Hear what is to be heard, so that the numbers are those of the next command."""
        self._wake()
        self.listen()

    def rest(self) -> None:
        """Between operations who idles, idles."""
        if self.kind.idles and not self._idling:
            self._idle()

    def begin(self, text: str) -> tuple[bytes, str]:
        """Send a command and do not wait."""
        self.ready()
        tag = self.raw.tag()
        self._send(b"%b %b\r\n" % (tag, text.encode()))
        return tag, text

    def finish(self, begun: tuple[bytes, str]) -> Answer:
        """The answer to what was begun."""
        return self._after(self._read(*begun))

    def _run(self, text: str, literal: bytes = b"") -> Answer:
        tag = self.raw.tag()
        suffix = b" {%d+}\r\n%b" % (len(literal), literal) if literal else b""
        self._send(b"%b %b%b\r\n" % (tag, text.encode(), suffix))
        return self._read(tag, text)

    def _read(self, tag: bytes, text: str) -> Answer:
        # RFC 3501 section 7.4.1, and RFC 7162 section 3.2.10.2 for UID SEARCH with numbers.
        keeps_numbers = re.match(r"(FETCH|STORE|SEARCH|UID SEARCH [0-9])", text) is not None
        told: list[bytes] = []
        while not (line := self._line()).startswith(tag + b" "):
            self.hear(line, may_expunge=not keeps_numbers)
            told.append(line)
        self._end_of_command(line)
        return Answer(told, line)

    def _idle(self) -> None:
        self._send(b"idle IDLE\r\n")
        while not (line := self._line()).startswith(b"+"):
            self.hear(line, may_expunge=True)
        self._idling = True

    def _wake(self) -> None:
        if self._idling:
            self._idling = False
            self._send(b"DONE\r\n")
            while not (line := self._line()).startswith(b"idle "):
                self.hear(line, may_expunge=True)
            assert line.startswith(b"idle OK"), line
            self._end_of_command(line)

    def listen(self, seconds: float = 0.0) -> None:
        """What came without being asked for: nothing, but for who asked for that."""
        while self.raw.has_line() or select.select([self.raw.socket], [], [], seconds)[0]:
            line = self._line()
            assert self._idling or self.kind.notify, f"{self.kind.name} is told without a command: {line!r}"
            self.hear(line, may_expunge=self._idling or self.kind.notify == "SELECTED")
            seconds = 0.0

    # What is told.

    def hear(self, line: bytes, *, may_expunge: bool) -> None:
        words = line.split()
        if words[2:3] == [b"EXISTS"]:
            self._hear_exists(int(words[1]))
        elif words[2:3] == [b"EXPUNGE"]:
            assert may_expunge and not self.kind.qresync, line
            assert 1 <= int(words[1]) <= len(self.messages), line
            del self.messages[int(words[1]) - 1]
        elif words[1] == b"VANISHED" and words[2] != b"(EARLIER)":
            assert may_expunge and self.kind.qresync, line
            self._hear_vanished(_numbers(words[2]))
        elif words[1] == b"VANISHED":
            assert not _numbers(words[3]) & {message.uid for message in self.messages}, line
        elif fetched := FETCHED.fullmatch(line):
            self._hear_fetch(int(fetched.group(1)), fetched.group(2))
        else:
            assert words[1] != b"BYE", line
            self._note_code(line)

    def _hear_exists(self, count: int) -> None:
        assert count >= len(self.messages), f"{count} EXISTS without EXPUNGE; there were {len(self.messages)}"
        self.messages += [Message() for _ in range(count - len(self.messages))]

    def _hear_vanished(self, gone: set[int]) -> None:
        """Each is in the view: one whose UID is known, or one of those that only EXISTS told of."""
        unknown = gone - {message.uid for message in self.messages}
        self.messages = [message for message in self.messages if message.uid not in gone]
        for uid in unknown:
            nameless = next((message for message in self.messages if not message.uid), None)
            assert nameless is not None, f"VANISHED {uid}, which is not in the view"
            self.messages.remove(nameless)

    def _hear_fetch(self, number: int, data: bytes) -> None:
        assert 1 <= number <= len(self.messages), f"FETCH {number} of {len(self.messages)}"
        message = self.messages[number - 1]
        uid, flags, modseq = UID.search(data), FLAGS.search(data), MODSEQ.search(data)
        if uid is not None:
            assert message.uid in (0, int(uid.group(1))), f"{number} is {uid.group(1)!r}, was {message.uid}"
            message.uid = int(uid.group(1))
        if flags is not None:
            message.flags = _flags(flags)
            # RFC 7162 section 3.2.4.
            assert not self.kind.condstore or (uid and modseq), data
        if modseq is not None:
            assert self.kind.condstore, data
            message.modseq = int(modseq.group(1))
            self._modseqs.append(message.modseq)

    def _note_code(self, line: bytes) -> None:
        if found := CODE.search(line):
            self._corrected = int(found.group(1))

    def _end_of_command(self, tagged: bytes) -> None:
        """What a client remembers for the next time (RFC 7162 section 6)."""
        self._note_code(tagged)
        if self._corrected:
            self.highest = self._corrected
        elif self._modseqs:
            self.highest = max(self.highest, *self._modseqs)
        self._modseqs, self._corrected = [], 0
        uids = [message.uid for message in self.messages if message.uid]
        assert uids == sorted(set(uids)), uids

    # What is asked for.

    @property
    def items(self) -> str:
        return "(UID FLAGS MODSEQ)" if self.kind.condstore else "(UID FLAGS)"

    def learn(self) -> None:
        """The UIDs and flags of messages only EXISTS told of."""
        if self._unknown():
            self.command(self._question())

    def _unknown(self) -> list[int]:
        return [number for number, m in enumerate(self.messages, 1) if not m.uid or m.flags is None]

    def _question(self) -> str:
        unknown = self._unknown()
        if self.kind.qresync or self.kind.only_uids:
            last = max((message.uid for message in self.messages[: unknown[0] - 1]), default=0)
            return f"UID FETCH {last + 1}:* {self.items}"
        return f"FETCH {unknown[0]}:{unknown[-1]} {self.items}"

    def known(self) -> dict[int, Message]:
        return {message.uid: message for message in self.messages if message.uid}

    def check(self) -> None:
        """After this the client knows exactly what is there: by NOOP, or without, where it is told at once."""
        self.rest()
        if self.kind.is_told_at_once:
            end = time.monotonic() + SETTLED_S
            while not self._agrees() and time.monotonic() < end:
                self.listen(0.05)
            assert self._agrees(), self.difference()
        self.command("NOOP")
        self.learn()
        assert not (difference := self.difference()), difference

    def _agrees(self) -> bool:
        """Is everything told that is told without asking? Removals may wait for a command."""
        known = self.known()
        if self.kind.notify == "SELECTED-DELAYED":
            return all(uid in known and known[uid].flags == flags for uid, flags in self.box.flags.items())
        return len(self.messages) == len(self.box.flags) and all(
            uid in self.box.flags and message.flags in (None, self.box.flags[uid]) for uid, message in known.items()
        )

    def difference(self) -> str:
        """Between what the client believes and what is so; "" if there is none."""
        believed = {message.uid: message.flags for message in self.messages}
        if believed == self.box.flags and len(self.messages) == len(believed):
            return ""
        wrong = {
            uid: (believed.get(uid), self.box.flags.get(uid))
            for uid in believed.keys() | self.box.flags.keys()
            if believed.get(uid) != self.box.flags.get(uid)
        }
        return f"{self.kind.name} believes {len(self.messages)} of {len(self.box.flags)}; UID: (believed, so) {wrong}"


def _flags(found: re.Match[bytes]) -> Flags:
    return set(found.group(1).decode().split()) - {"\\Recent"}


def _numbers(text: bytes) -> set[int]:
    found: set[int] = set()
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        found |= set(range(int(low), int(high or low) + 1))
    return found
