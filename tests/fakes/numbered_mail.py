"""Numbered messages from several connections at once, and a count of what became of each.

`Sender` keeps sending through every fault: a connection that breaks is opened again, a 4xx is tried again later. What
it was told with 250 is `acknowledged`; a 5xx that it should never hear is kept in `permanent`.
"""

from __future__ import annotations

import contextlib
import smtplib
import threading
import time
from dataclasses import dataclass, field

BODY = "line of text\n" * 300


@dataclass
class Sender:
    """Sends numbers 0..count-1 to `to` over `connections` connections; each number until it is acknowledged."""

    port: int
    to: str
    count: int
    connections: int = 8
    patience_s: float = 60.0
    acknowledged: set[int] = field(default_factory=set)
    temporary: list[str] = field(default_factory=list)
    permanent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._waiting = list(reversed(range(self.count)))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.connections)]

    def start(self) -> None:
        self._deadline = time.monotonic() + self.patience_s
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(self.patience_s)

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        client: smtplib.SMTP | None = None
        while (number := self._take()) is not None and time.monotonic() < self._deadline:
            try:
                client = client or smtplib.SMTP("127.0.0.1", self.port, timeout=15)
                self._send(client, number)
                self._note(number)
            except (OSError, smtplib.SMTPException) as error:
                self._give_back(number, error)
                with contextlib.suppress(Exception):
                    client and client.close()
                client = None
                time.sleep(0.05)
        with contextlib.suppress(Exception):
            client and client.quit()

    def _send(self, client: smtplib.SMTP, number: int) -> None:
        text = f"From: load@example.net\nTo: {self.to}\nSubject: number {number}\n\n{BODY}end {number}\n"
        client.sendmail("load@example.net", [self.to], text)

    def _take(self) -> int | None:
        with self._lock:
            return self._waiting.pop() if self._waiting else None

    def _note(self, number: int) -> None:
        with self._lock:
            self.acknowledged.add(number)

    def _give_back(self, number: int, error: Exception) -> None:
        words = str(error)
        with self._lock:
            (self.permanent if is_permanent(error) else self.temporary).append(words)
            self._waiting.insert(0, number)


def is_permanent(error: Exception) -> bool:
    """Whether the server said 5xx."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return any(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500
