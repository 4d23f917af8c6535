"""What is in a mailbox, over IMAP, as any client would see it."""

from __future__ import annotations

import imaplib
import re

from tests.fakes.mail_senders import log_in

BLOCK = 200


def fetch_everything(port: int, login: str, password: str, mailbox: str = "INBOX") -> list[tuple[int, bytes]]:
    """(UID, whole message) of each message, in order. Raises imaplib.IMAP4.error or OSError while something is away."""
    client = log_in(port, login, password)
    try:
        status, said = client.select(mailbox, readonly=True)
        if status != "OK":
            raise imaplib.IMAP4.error(said[0])
        count = int(said[0])
        messages = [each for start in range(1, count + 1, BLOCK) for each in _fetch(client, start, count)]
        assert len(messages) == count, f"{mailbox} of {login}: {len(messages)} of {count} messages could be read"
        return messages
    finally:
        client.shutdown()


def _fetch(client: imaplib.IMAP4, start: int, count: int) -> list[tuple[int, bytes]]:
    status, found = client.fetch(f"{start}:{min(start + BLOCK - 1, count)}", "(UID BODY.PEEK[])")
    if status != "OK":
        raise imaplib.IMAP4.error(str(found[0]))
    parts = [part for part in found if isinstance(part, tuple)]
    return [(int(re.search(rb"UID (\d+)", head)[1]), text) for head, text in parts]  # type: ignore[index]
