"""SMTP smuggling: bytes that another server takes for the end of a message and we do not, or the other way round.

Every mark that was published is sent inside a message, followed by a whole second message. Whatever a mark becomes, it
must stay text of the first message, here and on its way out.
"""

import pytest

from mailcore.smtp.data import DataReader, DataWriter
from tests.integration.smtp_server import STRANGER, smtp_server

__all__ = ["smtp_server"]

MARKS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r.\n", b"\n.\r",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\x00\n", b"\r\x00\n.\r\n", b"\x00\n.\n", b"\n\x00.\r\n",
    b"\r\n .\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\r\n.\n", b"\r\n.\r\r\n", b"\n\r.\r\n", b"\r\n..\r\n",
    b"\n..\n", b"\x0b.\r\n", b"\x0c.\x0c", b"\xc2\x85.\xc2\x85", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\r\n\xff.\r\n",
    b"\r\n=0D=0A.=0D=0A",
]  # fmt: skip


def smuggled(alice):
    return (
        b"MAIL FROM:<admin@smtp.test>\r\nRCPT TO:<" + alice.encode() + b">\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n"
    )


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("in_pieces", [False, True])
def test_nothing_but_crlf_dot_crlf_ends_a_message(smtp, mark, in_pieces):
    alice = smtp.account()
    client = smtp.hello(STRANGER)
    client.say(b"MAIL FROM:<x@sender.example>")
    client.say(b"RCPT TO:<" + alice.encode() + b">")
    assert client.code(b"DATA") == b"354"

    body = b"Subject: outer\r\n\r\nfirst" + mark + smuggled(alice)
    for piece in [body[n : n + 1] for n in range(40)] + [body[40:]] if in_pieces else [body]:
        client.send(piece)

    assert client.code(b".") == b"250"
    assert client.code(b"QUIT") == b"221"
    [message] = smtp.messages(alice)
    assert b"Subject: smuggled" in message
    assert b"\r" not in message


@pytest.mark.parametrize("mark", MARKS)
def test_what_is_stored_leaves_again_as_one_message(mark):
    text = DataReader().feed(b"first" + mark + b"MAIL FROM:<evil@example.org>\r\nx\r\n.\r\n")
    writer = DataWriter()

    wire = writer.feed(text) + writer.finish()

    assert wire.count(b"\r\n.\r\n") == 1
    for lax in (b"\n.\n", b"\r.\r", b"\n.\r", b"\r.\n", b"\n.\r\n", b"\r\n.\n"):
        strict_end = wire.removesuffix(b".\r\n")
        assert lax not in strict_end


@pytest.mark.parametrize(
    "commands",
    [
        b"MAIL FROM:<x@sender.example>\nRCPT TO:<alice@smtp.test>\r\n",
        b"NOOP\nMAIL FROM:<x@sender.example>\r\n",
        b"NOOP\r\n\nMAIL FROM:<x@sender.example>\r\n",
    ],
)
def test_commands_are_not_smuggled_behind_a_bare_lf(smtp, commands):
    client = smtp.hello(STRANGER)

    client.send(commands)
    replies = [client.reply()]
    if replies[0][:3] == b"250":
        replies.append(client.reply())

    assert replies[-1][:3] in (b"521", b"554")
    assert client.is_closed()


@pytest.mark.parametrize(
    "early", [b"DATA\r\nSubject: early\r\n\r\nx\r\n.\r\n", b"DATA\r\n.\r\nMAIL FROM:<a@b.example>\r\n"]
)
def test_a_message_sent_before_354_is_not_taken(smtp, early):
    alice = smtp.account()
    client = smtp.hello()
    client.say(b"MAIL FROM:<x@sender.example>")
    client.say(b"RCPT TO:<" + alice.encode() + b">")

    client.send(early)

    assert client.reply() == b"554 5.5.0 Error: SMTP protocol synchronization"
    assert client.is_closed()
    assert smtp.messages(alice) == []


def test_octets_of_a_chunk_are_never_commands(smtp):
    alice = smtp.account()
    client = smtp.hello()
    chunk = b"Subject: c\r\n\r\n.\r\n" + smuggled(alice) + b".\r\n"

    client.send(b"MAIL FROM:<x@sender.example>\r\nRCPT TO:<" + alice.encode() + b">\r\n")
    client.send(b"BDAT %d LAST\r\n" % len(chunk) + chunk + b"QUIT\r\n")

    assert [client.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"221"]
    [message] = smtp.messages(alice)
    assert message.endswith(b"\nevil\n.\n")
