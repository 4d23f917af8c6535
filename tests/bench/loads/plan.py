"""What is sent: one message after the other, to the users in turn or to recipients elsewhere."""

from __future__ import annotations

import collections
from argparse import Namespace
from typing import Any

from tests.bench.loads.messages import Maker
from tests.bench.loads.running import user

Job = tuple[int, bytes, list[bytes], bytes]
"""(number, MAIL, each RCPT, message with its dot)."""


class Plan:
    """What is left to send, and what came of it."""

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.maker = Maker(args.size)
        self.next_number = 0
        self.accepted = 0
        self.latency: list[float] = []
        self.setup: list[float] = []
        self.errors: collections.Counter[str] = collections.Counter()
        self.first: Any = None
        self.last: Any = None
        self.recipient = args.recipient

    def take(self) -> Job | None:
        """The next one."""
        args = self.args
        number = self.next_number
        if number >= args.messages:
            return None
        self.next_number = number + 1
        to = [self._to(number * args.recipients + i) for i in range(args.recipients)]
        mail = f"MAIL FROM:<{args.sender}>\r\n".encode()
        rcpts = [f"RCPT TO:<{one}>\r\n".encode() for one in to]
        body = self.maker.plain(number, args.sender, to[0]) + b".\r\n"
        return number, mail, rcpts, body

    def _to(self, number: int) -> str:
        return self.recipient.format(number) if self.recipient else user(self.args, number)
