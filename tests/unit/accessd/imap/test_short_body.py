"""BODY is BODYSTRUCTURE without extension data."""

import pytest

from accessd.imap.short_body import without_extensions
from mailcore.message.body_structure import body, body_structure
from mailcore.message.structure import parse_structure

PLAIN = b"Subject: x\r\n\r\nhello\r\n"
LITERAL = 'Content-Description: Grüße "in" (Klammern)\r\nContent-Language: de, en\r\n\r\nx\r\n'.encode()
MIXED = (
    b"Content-Type: multipart/mixed; boundary=outer\r\nContent-Language: en\r\n\r\n"
    b"--outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n"
    b"--inner\r\nContent-Type: text/plain; charset=utf-8\r\nContent-MD5: abc\r\n\r\nhello\r\n"
    b'--inner\r\nContent-Type: text/html\r\nContent-Disposition: inline; filename="a (b).html"\r\n\r\n<p>\r\n'
    b"--inner--\r\n"
    b"--outer\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    b"From: a@b.c\r\nSubject: =?utf-8?q?=22?= (x\r\nContent-Type: multipart/mixed; boundary=deep\r\n\r\n"
    b"--deep\r\n\r\none\r\n--deep\r\nContent-Type: image/png\r\n\r\nxx\r\n--deep--\r\n"
    b"--outer\r\nContent-Type: application/pdf\r\nContent-Location: http://x\r\n\r\nxx\r\n--outer--\r\n"
)

MESSAGES = (
    b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
    b"--outer\r\nContent-Type: message/global\r\nContent-MD5: x\r\n\r\nSubject: x\r\n\r\nhello\r\n"
    b"--outer\r\nContent-Type: message/partial; number=1\r\n\r\nSubject: x\r\n\r\nhello\r\n"
    b"--outer\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.0.0\r\n\r\n"
    b"--outer\r\nContent-Type: message/rfc822\r\n\r\n\r\n--outer--\r\n"
)
KINDS = {"plain": PLAIN, "literal": LITERAL, "mixed": MIXED, "messages": MESSAGES, "empty": b""}


@pytest.mark.parametrize("message", KINDS.values(), ids=KINDS)
def test_the_short_form_is_what_the_structure_gives(message: bytes) -> None:
    structure = parse_structure(message)

    assert without_extensions(body_structure(structure)) == body(structure)
