"""Who was promised what, and what came of it: numbered, hashed messages, and a count that tells duplicates apart.

A client sends a number until it is acknowledged. Each time is an attempt of its own, and the message says which one it
is. So a message that was kept although the client never heard so, and was therefore sent again, can be told from one
that the server itself made twice: the first is two attempts of one number, the second the same attempt twice.
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, make_msgid

MARK = b"X-Numbered: "
_NUMBERED = re.compile(rb"^X-Numbered: (\d+)-(\d+)\r?$", re.M)
# What stores and transports trip over: dots, From lines, trailing white space, other scripts, a line of 900 octets.
_LINES = (
    ".", "..", ".leading dot", "From here on", ">From here on", "trailing  ", "", "Grüße aus Köln", "日本語のメール",
    "From: inside", "x" * 900, "plain text of an ordinary line that fills some space",
)  # fmt: skip
KIB = (1, 2, 4, 8, 16)
LARGE_KIB = 200  # not kept in memory while it is received

Attempt = tuple[int, int]
"""A number, and which time it was sent."""


@dataclass(slots=True)
class Sent:
    """One attempt as its client knows it."""

    digest: bytes
    recipients: tuple[str, ...]
    acknowledged: bool = False
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the messages of one path."""

    numbers: int
    attempts: int
    lost: Sequence[Attempt]
    damaged: int
    made_by_server: int
    made_by_client: int

    @property
    def figures(self) -> dict[str, int]:
        return {
            "messages": self.numbers,
            "sent again": self.attempts - self.numbers,
            "lost": len(self.lost),
            "damaged": self.damaged,
            "duplicates": self.made_by_server,
            "duplicates of the client": self.made_by_client,
        }


@dataclass
class Ledger:
    """All messages of one path. `wrong` collects replies that nobody should ever hear, `waited` those that are fine."""

    rng: random.Random = field(default_factory=random.Random)
    sent: dict[Attempt, Sent] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    waited: Counter[str] = field(default_factory=Counter)
    _numbers: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_number(self) -> int:
        with self._lock:
            self._numbers += 1
            return self._numbers

    def write(self, attempt: Attempt, sender: str, recipients: Sequence[str]) -> bytes:
        """The message of an attempt, with CRLF, and its entry."""
        with self._lock:
            text = compose(self.rng, attempt, sender, recipients)
            self.sent[attempt] = Sent(hashlib.sha256(text).digest(), tuple(recipients))
        return text

    def acknowledge(self, attempt: Attempt, uid: int = 0) -> None:
        with self._lock:
            self.sent[attempt].acknowledged = True
            self.sent[attempt].uid = uid

    def note_wait(self, words: str) -> None:
        with self._lock:
            self.waited[words] += 1

    def note_wrong(self, words: str) -> None:
        with self._lock:
            self.wrong.append(words)

    @property
    def acknowledged(self) -> set[Attempt]:
        with self._lock:
            return {attempt for attempt, sent in self.sent.items() if sent.acknowledged}

    def promised(self, where: Callable[[str], bool] = bool) -> set[tuple[str, Attempt]]:
        """(recipient, attempt) of what was acknowledged, for some recipients."""
        return {(to, attempt) for attempt in self.acknowledged for to in self.sent[attempt].recipients if where(to)}

    def judge(self, copies: Sequence[tuple[str, bytes]], where: Callable[[str], bool] = bool) -> Verdict:
        """(recipient, message as it was found) of everything there is -> what became of it."""
        found: Counter[tuple[str, Attempt]] = Counter()
        damaged = 0
        for recipient, text in copies:
            attempt = attempt_of(text)
            if attempt is None or not self.is_whole(attempt, text):
                damaged += 1
            else:
                found[recipient, attempt] += 1
        by_number = Counter((recipient, number) for recipient, (number, _) in found)
        return Verdict(
            numbers=len({number for number, _ in self.sent}),
            attempts=len(self.sent),
            lost=sorted({attempt for _, attempt in self.promised(where) - set(found)}),
            damaged=damaged,
            made_by_server=sum(count - 1 for count in found.values()),
            made_by_client=sum(count - 1 for count in by_number.values()),
        )

    def is_whole(self, attempt: Attempt, text: bytes) -> bool:
        """Whether the message is there octet for octet, behind the trace fields that servers put in front."""
        sent = self.sent.get(attempt)
        return sent is not None and hashlib.sha256(text[text.index(MARK) :]).digest() == sent.digest


def compose(rng: random.Random, attempt: Attempt, sender: str, recipients: Sequence[str]) -> bytes:
    """A message of a size and with lines by chance."""
    size = (LARGE_KIB if rng.random() < 0.005 else rng.choice(KIB)) * 1024
    lines: list[str] = []
    while size > 0:
        lines.append(rng.choice(_LINES))
        size -= len(lines[-1].encode()) + 2
    header = [
        f"{MARK.decode()}{attempt[0]}-{attempt[1]}",
        f"From: {sender}",
        f"To: {', '.join(recipients)}",
        f"Subject: number {attempt[0]}",
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Message-ID: {make_msgid(domain='sender.test')}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return "".join(f"{line}\r\n" for line in [*header, "", *lines, "end"]).encode()


def attempt_of(text: bytes) -> Attempt | None:
    """Which attempt a message (or a report about one) is of."""
    found = _NUMBERED.search(text)
    return (int(found[1]), int(found[2])) if found else None
