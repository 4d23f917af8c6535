"""The messages that are sent and stored: the same ones for the same seed."""

from __future__ import annotations

import base64
import os
import random
import time

WORDS = (  # noqa: SIM905
    "message server mailbox delivery queue header folder envelope draft report invoice meeting project schedule budget "
    "review travel agenda contract customer order shipment notice summary question answer minutes proposal update "
    "reminder archive signature attachment the and for with from that this have will your our about please"
).split()
NEEDLE = "quokka"
"""In one preloaded message of a hundred."""
RUN = f"{os.getpid()}.{int(time.time())}"
"""In every Message-ID, so that no two runs send the same."""


class Maker:
    """Makes messages with bodies of `size` octets, header not counted."""

    def __init__(self, size: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.size = size
        self.texts = [self.text(size) for _ in range(16)]

    def text(self, size: int) -> bytes:
        """Lines of words."""
        lines: list[str] = []
        total, line = 0, ""
        while total < size:
            line += self.random.choice(WORDS) + " "
            if len(line) > 66:
                lines.append(line.rstrip())
                total += len(lines[-1]) + 2
                line = ""
        return ("\r\n".join(lines))[: max(size - 2, 0)].encode() + b"\r\n"

    def plain(self, number: int, sender: str, to: str) -> bytes:
        """One to send."""
        return (
            f"From: Bench <{sender}>\r\nTo: <{to}>\r\n"
            f"Subject: bench message {number}\r\n"
            f"Date: {_date(number)}\r\n"
            f"Message-ID: <{number}.{RUN}@bench.invalid>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "\r\n"
        ).encode() + self.texts[number % 16]

    def mixed(self, number: int, to: str) -> bytes:
        """For mailboxes: every fourth message multipart, some with a needle."""
        special = number % 100 == 7
        word = f"{NEEDLE}\r\n".encode() if special else b""
        head = _stored_head(number, to, f" {NEEDLE}" if special else "")
        body = self.texts[number % 16] + word
        if number % 4:
            return head + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
        half = len(body) // 2
        blob = base64.encodebytes(body[half:]).replace(b"\n", b"\r\n")
        return (
            head + b'Content-Type: multipart/mixed; boundary="=_part"\r\n\r\n'
            b"--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            + word
            + body[:half]
            + b"\r\n--=_part\r\nContent-Type: application/octet-stream; "
            b'name="a.bin"\r\nContent-Transfer-Encoding: base64\r\n'
            b'Content-Disposition: attachment; filename="a.bin"\r\n\r\n' + blob + b"--=_part--\r\n"
        )


def _stored_head(number: int, to: str, more_subject: str) -> bytes:
    return (
        f"Return-Path: <sender{number % 50}@example.org>\r\n"
        f"Received: from a.example.org (a.example.org [192.0.2.1])\r\n"
        f"\tby mx.example.net with ESMTP id {number:08x}\r\n"
        f"\tfor <{to}>; Mon, 02 Mar 2026 10:00:00 +0000\r\n"
        f'From: "Sender Number {number % 50}" <sender{number % 50}@example.org>\r\n'
        f"To: <{to}>\r\nCc: copy@example.org\r\n"
        f"Subject: stored message {number}{more_subject}\r\n"
        f"Date: {_date(number)}\r\n"
        f"Message-ID: <stored-{number}.{RUN}@bench.invalid>\r\n"
        "MIME-Version: 1.0\r\n"
    ).encode()


def _date(number: int) -> str:
    return f"Mon, 02 Mar 2026 10:{number // 60 % 60:02}:{number % 60:02} +0000"
