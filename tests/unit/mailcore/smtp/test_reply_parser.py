"""Replies of other servers, as they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.reply import Reply
from mailcore.smtp.reply_parser import MAX_LINES, BadReply, ReplyParser


def parse(data: bytes) -> Reply | None:
    parser = ReplyParser()
    parser.receive_data(data)
    return parser.next_reply()


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"250 ok\r\n", Reply(250, "", "ok")),
        (b"250 2.1.5 ok\r\n", Reply(250, "2.1.5", "ok")),
        (b"250\r\n", Reply(250, "", "")),
        (b"250 \n", Reply(250, "", "")),
        (b"550 5.1.1\r\n", Reply(550, "5.1.1", "")),
        (b"550-5.1.1 no such\r\n550 5.1.1 user\r\n", Reply(550, "5.1.1", "no such\nuser")),
        (b"550-5.1.1 first\r\n550 5.1.10 second\r\n", Reply(550, "5.1.1", "first\n5.1.10 second")),
        (b"250-a\r\n250-b\r\n250 c\r\n", Reply(250, "", "a\nb\nc")),
        # An enhanced code of another class than the reply is only text.
        (b"450 5.7.1 odd\r\n", Reply(450, "", "5.7.1 odd")),
        (b"220 1.2.3.4 ready\r\n", Reply(220, "", "1.2.3.4 ready")),
        ("550 nicht möglich\r\n".encode(), Reply(550, "", "nicht möglich")),
        (b"550 b\xffd\x07\r\n", Reply(550, "", "b\ufffdd?")),
    ],
)
def test_replies(data, reply):
    assert parse(data) == reply


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"25 x\r\n", b"250x\r\n", b"999 x\r\n", b"\r\n", b"250-a\r\n350 b\r\n", b"x" * 5000]
)
def test_what_is_no_reply(data):
    with pytest.raises(BadReply):
        parse(data)


def test_an_endless_reply_ends_here():
    with pytest.raises(BadReply):
        parse(b"250-x\r\n" * (MAX_LINES + 1))


def test_an_unfinished_reply_waits():
    parser = ReplyParser()
    parser.receive_data(b"250-a\r\n250 b")

    assert parser.next_reply() is None and not parser.is_empty
    parser.receive_data(b"\r\n220 next")
    assert parser.next_reply() == Reply(250, "", "a\nb")
    assert parser.next_reply() is None


@given(st.lists(st.integers(1, 30), max_size=20))
def test_the_cuts_between_packets_do_not_matter(cuts):
    data = b"250-2.0.0 one\r\n250 2.0.0 two\r\n354 go\r\n"
    parser, replies = ReplyParser(), []
    for cut in [*cuts, len(data)]:
        piece, data = data[:cut], data[cut:]
        parser.receive_data(piece)
        while (reply := parser.next_reply()) is not None:
            replies.append(reply)

    assert replies == [Reply(250, "2.0.0", "one\ntwo"), Reply(354, "", "go")]
    assert parser.is_empty
