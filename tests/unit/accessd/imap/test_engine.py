"""Bytes to commands: lines, literals, limits, streamed APPENDs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap import command as commands
from accessd.imap.command_limits import Limits
from accessd.imap.engine import MORE_TO_READ_PAST_BYTES, Engine
from accessd.imap.events import (
    CommandReceived,
    ContinuationNeeded,
    Event,
    LineTooLong,
    LiteralChunk,
    LiteralStarted,
    LiteralTooLong,
    Rejected,
    UploadFinished,
)
from accessd.imap.grammar import args_append, args_selected
from accessd.imap.grammar import command_args as arguments

PARSERS = {
    "NOOP": arguments.no_arguments(commands.Noop()),
    "LOGIN": arguments.login,
    "APPEND": args_append.append,
    "REPLACE": args_append.replace,
    "UID EXPUNGE": args_selected.uid_expunge,
}
LIMITS = Limits(line_bytes=200, literal_bytes=50, message_bytes=1000)


def engine(*received: bytes, limits: Limits = LIMITS) -> Engine:
    made = Engine(PARSERS, limits)
    for data in received:
        made.receive_data(data)
    return made


def events(of: Engine) -> list[Event]:
    found: list[Event] = []
    while (event := of.next_event()) is not None:
        if isinstance(event, LiteralStarted):
            of.accept_literal()
        found.append(event)
    return found


NOOP = CommandReceived(b"a1", "NOOP", commands.Noop())
LOGIN = CommandReceived(b"a2", "LOGIN", commands.Login("fred", "foo bar"))


def test_pipelined_commands_come_one_at_a_time() -> None:
    assert events(engine(b"a1 NOOP\r\na1 noop\r\n")) == [NOOP, NOOP]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_command_may_arrive_in_any_two_pieces(cut: int) -> None:
    data = b"a1 NOOP\r\n"
    split = engine(data[:cut])
    first = events(split)
    split.receive_data(data[cut:])

    assert first + events(split) == [NOOP]


def test_a_synchronising_literal_is_asked_for() -> None:
    made = engine(b"a2 LOGIN {4}\r\n")
    assert events(made) == [ContinuationNeeded()]

    made.receive_data(b"fred {7}\r\n")
    assert events(made) == [ContinuationNeeded()]

    made.receive_data(b"foo bar\r\n")
    assert events(made) == [LOGIN]


def test_a_non_synchronising_literal_is_not_asked_for() -> None:
    assert events(engine(b"a2 LOGIN {4+}\r\nfred {7+}\r\nfoo bar\r\n")) == [LOGIN]


def test_a_literal_may_contain_what_looks_like_another_command() -> None:
    password = b"x\r\na1 NOOP {3}\r\n"
    (event,) = events(engine(b"a2 LOGIN fred {%d+}\r\n%b\r\n" % (len(password), password)))

    assert isinstance(event, CommandReceived)
    assert event.command == commands.Login("fred", password.decode())


def test_uid_is_part_of_the_name() -> None:
    (event,) = events(engine(b"a1 UID EXPUNGE 1:3\r\n"))

    assert isinstance(event, CommandReceived)
    assert event.name == "UID EXPUNGE"


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        (b"a1 FOO\r\n", b"a1"),
        (b"a1 NOOP x\r\n", b"a1"),
        (b"a1\r\n", b"a1"),
        (b"a1 \r\n", b"a1"),
        (b"a]1\r\n", b"a]1"),
        (b"a+1\r\n", None),
        (b"\r\n", None),
        (b"+ NOOP\r\n", None),
        (b"a+1 NOOP\r\n", None),
        (b"a1  NOOP\r\n", b"a1"),
        (b"a1 LOGIN fred\r\n", b"a1"),
        (b"a1 APPEND INBOX\r\n", b"a1"),
    ],
)
def test_what_is_no_command_costs_one_bad(line: bytes, tag: bytes | None) -> None:
    bad, following = events(engine(line + b"a1 NOOP\r\n"))

    assert isinstance(bad, Rejected)
    assert bad.tag == tag
    assert following == NOOP


def test_a_line_over_the_limit_is_read_past() -> None:
    made = engine(b"a3 LOGIN " + b"x" * 190)
    assert events(made) == []

    made.receive_data(b"x" * 5000)
    made.receive_data(b"y\r\na1 NOOP\r\n")

    bad, following = events(made)
    assert isinstance(bad, Rejected)
    assert (bad.tag, bad.status) == (b"a3", "BAD")
    assert following == NOOP


@pytest.mark.parametrize("size", range(20, 32))
def test_a_line_that_gets_too_long_behind_a_literal_is_read_past(size: int) -> None:
    start, rest = b"a3 LOGIN " + b"x" * (200 - 14 - size) + b"{0+}\r\n", b"y" * size + b"z\r\na1 NOOP\r\n"
    made, found = engine(start), []
    for at in range(len(rest)):
        made.receive_data(rest[at : at + 1])
        found += events(made)

    assert found == [Rejected(b"a3", "Command line too long"), NOOP]


def test_an_endless_line_uses_no_memory() -> None:
    made = engine(b"a3 LOGIN ")
    for _ in range(1000):
        made.receive_data(b"x" * 1000)
        assert made.next_event() is None

    assert len(made._buffer) < 2000


def test_a_refused_synchronising_literal_ends_the_command() -> None:
    bad, following = events(engine(b"a3 LOGIN {51}\r\na1 NOOP\r\n"))

    assert isinstance(bad, Rejected)
    assert bad.tag == b"a3"
    assert following == NOOP


def test_a_refused_non_synchronising_literal_is_read_past() -> None:
    made = engine(b"a3 LOGIN {56+}\r\n" + b"n NOOP\r\n" * 7 + b" {8+}\r\nm NOOP\r\n\r\na1 NOOP\r\n")

    bad, following = events(made)
    assert isinstance(bad, Rejected)
    assert bad.tag == b"a3"
    assert following == NOOP


def test_the_limit_is_for_all_literals_of_a_command() -> None:
    (bad,) = events(engine(b"a3 LOGIN {30+}\r\n" + b"u" * 30 + b" {30+}\r\n" + b"p" * 30 + b"\r\n"))

    assert isinstance(bad, Rejected)


APPEND = b'a4 APPEND Sent (\\Seen) "17-Jul-1996 02:44:25 -0700" '


def test_the_message_of_an_append_is_streamed() -> None:
    made = engine(APPEND + b"{10}\r\n")
    (started,) = events(made)
    assert isinstance(started, LiteralStarted)
    assert started.synchronising
    assert (started.command.mailbox, started.literal.size) == ("Sent", 10)

    made.receive_data(b"12345")
    assert events(made) == [LiteralChunk(b"12345")]
    made.receive_data(b"67890\r\na1 NOOP\r\n")

    assert events(made) == [LiteralChunk(b"67890"), UploadFinished(b"a4"), NOOP]


def test_the_mailbox_of_an_append_may_be_a_literal() -> None:
    found = events(engine(b"a4 APPEND {4+}\r\nSent {2+}\r\nhi\r\n"))

    assert isinstance(found[0], LiteralStarted)
    assert found[0].command.mailbox == "Sent"
    assert found[1:] == [LiteralChunk(b"hi"), UploadFinished(b"a4")]


def test_an_empty_message_is_a_message() -> None:
    found = events(engine(b"a4 APPEND Sent {0+}\r\n\r\na1 NOOP\r\n"))

    assert found[1:] == [UploadFinished(b"a4"), NOOP]


def test_a_message_over_the_limit_is_refused_before_it_is_sent() -> None:
    bad, following = events(engine(b"a4 APPEND Sent {1001}\r\na1 NOOP\r\n"))

    assert bad == Rejected(b"a4", "Message too big", "NO", b"TOOBIG")
    assert following == NOOP


def test_a_message_over_the_limit_that_is_sent_anyway_is_read_past() -> None:
    found = events(engine(b"a4 APPEND Sent {1001+}\r\n" + b"n NOOP\r\n" * 125 + b"x\r\na1 NOOP\r\n"))

    assert found == [Rejected(b"a4", "Message too big", "NO", b"TOOBIG"), NOOP]


PAST = LIMITS.message_bytes + MORE_TO_READ_PAST_BYTES


@pytest.mark.parametrize("plus", ["", "+"])
def test_a_message_before_the_login_is_not_called_too_big(plus):
    engine = Engine(PARSERS)

    engine.receive_data(f"a4 APPEND INBOX {{10{plus}}}\r\n".encode() + (b"0123456789\r\n" if plus else b""))

    assert engine.next_event() == Rejected(b"a4", "APPEND is not possible now")
    assert engine.next_event() is None


TOO_BIG = Rejected(b"a4", "Message too big", "NO", b"TOOBIG")


@pytest.mark.parametrize(
    "begun",
    [
        b"a4 APPEND Sent {%d+}\r\n",
        b"a4 APPEND Sent ~{%d+}\r\n",
        b"a4 APPEND Sent UTF8 (~{%d+}\r\n",
        b"a4 APPEND Sent CATENATE (URL /a;UID=1 TEXT {%d+}\r\n",
        b"a4 APPEND Sent {2+}\r\nhi {%d+}\r\n",
        b"a4 REPLACE 1 Sent {%d+}\r\n",
    ],
)
def test_a_message_over_the_limit_is_refused_before_its_octets_come(begun: bytes) -> None:
    """RFC 7888 section 4; and once."""
    made = engine(begun % 1001)
    assert events(made)[-1] == TOO_BIG

    made.receive_data(b"n NOOP\r\n" * 125)
    assert events(made) == []
    made.receive_data(b"x)\r\na1 NOOP\r\n")
    assert events(made) == [NOOP]


@pytest.mark.parametrize(
    ("begun", "answers"),
    [
        (b"a4 APPEND Sent {%d+}\r\n" % (PAST + 1), [TOO_BIG]),
        (b"a4 APPEND Sent {99999999999999999999+}\r\n", [TOO_BIG]),
        (b"a4 APPEND Sent (\\Foo) {%d+}\r\n" % (PAST + 1), [Rejected(b"a4", "Unknown system flag")]),
        (b"a3 LOGIN {%d+}\r\n" % (PAST + 1), [Rejected(b"a3", "Literal too long")]),
        (b"a3 LOGIN {51+}\r\n" + b"x" * 51 + b" {%d+}\r\n" % PAST, [Rejected(b"a3", "Literal too long")]),
    ],
)
def test_what_is_far_too_big_is_not_read_past(begun: bytes, answers: list[Event]) -> None:
    made = engine(begun)
    found = [made.next_event()]

    assert found == answers
    for _ in range(2):
        with pytest.raises(LiteralTooLong):
            made.next_event()
        made.receive_data(b"\r\na1 NOOP\r\n")


def test_all_literals_of_a_refused_command_are_counted_together() -> None:
    made = engine(b"a4 APPEND Sent {1001+}\r\n" + b"x" * 1001)
    assert events(made) == [TOO_BIG]

    made.receive_data(b" {%d+}\r\n" % (PAST - 1001))
    assert events(made) == []
    made.receive_data(b"x" * (PAST - 1001) + b" {1+}\r\n")
    with pytest.raises(LiteralTooLong):
        made.next_event()


def test_what_the_session_refuses_is_bounded_too() -> None:
    made = engine(b"a4 APPEND Nowhere {1000+}\r\n")
    assert isinstance(made.next_event(), LiteralStarted)

    made.refuse_literal()
    made.receive_data(b"x" * 1000 + b" {%d+}\r\n" % PAST)

    with pytest.raises(LiteralTooLong):
        made.next_event()


def test_a_bad_append_reads_past_its_message() -> None:
    bad, following = events(engine(b"a4 APPEND Sent (\\Foo) {8+}\r\nn NOOP\r\n\r\na1 NOOP\r\n"))

    assert isinstance(bad, Rejected)
    assert following == NOOP


@pytest.mark.parametrize("plus", [b"", b"+"])
def test_the_session_may_refuse_an_append(plus: bytes) -> None:
    made = engine(b"a4 APPEND Nowhere {8" + plus + b"}\r\n")
    assert isinstance(made.next_event(), LiteralStarted)

    made.refuse_literal()
    made.receive_data((b"n NOOP\r\n\r\n" if plus else b"") + b"a1 NOOP\r\n")

    assert events(made) == [NOOP]


def test_text_after_the_message_is_refused() -> None:
    found = events(engine(b"a4 APPEND Sent {2+}\r\nhi there\r\na1 NOOP\r\n"))

    assert isinstance(found[2], Rejected)
    assert found[2].tag == b"a4"
    assert found[3:] == [NOOP]


def drafts(found: list[Event]) -> list[args_append.Draft]:
    started = next(event for event in found if isinstance(event, LiteralStarted))
    return started.command.messages


def test_one_append_may_carry_several_messages() -> None:
    """RFC 3502."""
    found = events(engine(b'a4 APPEND Sent (\\Seen) {2+}\r\nhi "17-Jul-1996 02:44:25 -0700" ~{2+}\r\nho {0+}\r\n\r\n'))

    assert [event.data for event in found if isinstance(event, LiteralChunk)] == [b"hi", b"ho"]
    assert found[-1] == UploadFinished(b"a4")
    seen, dated, empty = drafts(found)
    assert (seen.flags.bits, dated.flags.bits) == (1, 0)
    assert dated.internal_date is not None and dated.parts == [args_append.Text(2, binary=True)]
    assert empty.size == 0


def test_each_synchronising_message_is_held_until_the_session_decides() -> None:
    made = engine(b"a4 APPEND Sent {2}\r\nhi {3}\r\n")
    events(made)
    made.receive_data(b"abc {2}\r\n")
    assert made.next_event() == LiteralChunk(b"abc")
    assert isinstance(made.next_event(), LiteralStarted)

    made.refuse_literal()
    made.receive_data(b"a1 NOOP\r\n")

    assert events(made) == [NOOP]


@pytest.mark.parametrize(
    "rest",
    [
        b" (\\Foo) {8+}\r\nn NOOP\r\n\r\n",
        b" {1001+}\r\n" + b"n NOOP\r\n" * 125 + b"x\r\n",
        b"{8+}\r\nn NOOP\r\n {2+}\r\nho\r\n",
        b" (" + b"x" * 300 + b") {8+}\r\nn NOOP\r\n\r\n",
    ],
)
def test_a_bad_second_message_costs_the_command_with_all_its_literals(rest: bytes) -> None:
    *begun, bad, following = events(engine(b"a4 APPEND Sent {2+}\r\nhi" + rest + b"a1 NOOP\r\n"))

    assert [type(event) for event in begun] == [LiteralStarted, LiteralChunk]
    assert isinstance(bad, Rejected)
    assert bad.tag == b"a4"
    assert following == NOOP


def test_a_message_may_come_as_utf8_literal() -> None:
    """RFC 6855 section 4."""
    found = events(engine(b"a4 APPEND Sent UTF8 (~{2+}\r\nhi)\r\na1 NOOP\r\n"))

    assert found[1:] == [LiteralChunk(b"hi"), UploadFinished(b"a4"), NOOP]


def test_a_message_may_be_put_together_from_parts() -> None:
    """RFC 4469; an URL may be a literal too, which is not handed on."""
    text = b"a4 APPEND Sent CATENATE (URL /a;UID=1 TEXT {2+}\r\nhi URL {8+}\r\n/b;UID=2 text {1+}\r\n!)\r\na1 NOOP\r\n"
    found = events(engine(text))

    assert drafts(found)[0].parts == [
        args_append.Url(b"/a;UID=1"),
        args_append.Text(2),
        args_append.Url(b"/b;UID=2"),
        args_append.Text(1),
    ]
    assert [event.data for event in found if isinstance(event, LiteralChunk)] == [b"hi", b"!"]
    assert found[-2:] == [UploadFinished(b"a4"), NOOP]


def test_a_message_of_urls_only_is_an_ordinary_command() -> None:
    (event,) = events(engine(b'a4 APPEND Sent (\\Seen) CATENATE (URL "/a;UID=1" URL {8+}\r\n/b;UID=2)\r\n'))

    assert isinstance(event, CommandReceived)
    assert isinstance(event.command, args_append.Append)
    assert event.command.messages[0].parts == [
        args_append.Url(b"/a;UID=1"),
        args_append.Url(b"/b;UID=2"),
    ]


@pytest.mark.parametrize(
    "end", [b"", b" ", b")", b" {2+}\r\nhi", b" CATENATE ()", b" CATENATE (TEXT x)", b" CATENATE (URL x"]
)
def test_an_append_that_ends_too_soon_is_refused(end: bytes) -> None:
    found = events(engine(b"a4 APPEND Sent" + end + b" \r\na1 NOOP\r\n"))

    assert isinstance(found[-2], Rejected)
    assert found[-1] == NOOP


def test_the_messages_of_one_command_are_bounded() -> None:
    made, found = engine(b"a4 APPEND Sent"), []
    for _ in range(args_append.MOST_MESSAGES + 1):
        made.receive_data(b" {1+}\r\nx")
        found += events(made)
    made.receive_data(b"\r\na1 NOOP\r\n")

    assert found[-1] == Rejected(b"a4", "Too many messages", "NO", b"LIMIT")
    assert events(made) == [NOOP]
    assert len(made._buffer) < 100


@pytest.mark.parametrize("messages", [1, 2])
def test_the_urls_of_one_command_are_bounded(messages: int) -> None:
    """A line of 128 KiB names thousands, and for each a message is opened and read."""
    urls = b" ".join([b"URL /INBOX/;UID=1"] * (args_append.MOST_URLS // messages))
    most = b"a4 APPEND Sent" + b" CATENATE (%b)" % urls * messages

    wide = replace(LIMITS, line_bytes=10_000)

    (made,) = events(engine(most + b"\r\n", limits=wide))
    assert isinstance(made, CommandReceived)
    found = events(engine(most[:-1] + b" URL /INBOX/;UID=1)\r\n", limits=wide))

    assert found == [Rejected(b"a4", "Too many URLs", "NO", b"LIMIT")]


def test_lines_that_are_no_commands() -> None:
    made = engine(b"DONE\r\na1 NOOP\r\n")

    assert made.next_line() == b"DONE"
    assert events(made) == [NOOP]
    made.receive_data(b"x" * 201)
    with pytest.raises(LineTooLong):
        made.next_line()


def test_what_came_before_a_handshake_is_forgotten() -> None:
    made = engine(b"a2 LOGIN {4+}\r\nfr")
    assert events(made) == []

    made.discard_input()
    made.receive_data(b"a1 NOOP\r\n")

    assert events(made) == [NOOP]


DIALOGUE = (
    b"a2 LOGIN {4+}\r\nfred {7+}\r\nfoo bar\r\nbad\r\na4 APPEND Sent {4+}\r\n\r\n\r\n\r\na3 LOGIN {60+}\r\n"
    b"a5 APPEND {4+}\r\nSent (\\Seen) ~{3+}\r\nabc CATENATE (URL {2+}\r\n/x TEXT {0+}\r\n UTF8 (~{2+}\r\n{}) URL y)\r\n"
    b"a6 APPEND Sent {2+}\r\nhi {2000+}\r\n"
    + b" {3+}" * 400
    + b" {5+}\r\nNOOP\r\n\r\n"
    + b"\r" * 60
    + b"\r\na1 NOOP\r\n"
)


def joined(found: list[Event]) -> list[Event]:
    """Chunks put together: how a message is cut depends on the network."""
    out: list[Event] = []
    for event in found:
        if isinstance(event, LiteralChunk) and out and isinstance(out[-1], LiteralChunk):
            out[-1] = LiteralChunk(out[-1].data + event.data)
        else:
            out.append(event)
    return out


@given(st.lists(st.integers(0, len(DIALOGUE))))
def test_the_network_may_cut_anywhere(cuts: list[int]) -> None:
    made, found = engine(), []
    ends = [*sorted(cuts), len(DIALOGUE)]
    for start, end in zip([0, *ends], ends, strict=False):
        made.receive_data(DIALOGUE[start:end])
        found += events(made)

    assert joined(found) == joined(events(engine(DIALOGUE)))


@given(st.binary(max_size=300))
def test_no_input_stops_the_engine(noise: bytes) -> None:
    made = engine(noise + b"\r\n")
    events(made)


# LITERAL- (RFC 7888 section 5).

STRICT = Limits(line_bytes=200, literal_bytes=50, message_bytes=1000, unasked_bytes=5)


@pytest.mark.parametrize("before", [b"a2 LOGIN ", b"a2 APPEND INBOX ", b"a2 LOGIN {3+}\r\nabc "])
def test_a_larger_literal_may_not_come_unasked(before: bytes) -> None:
    made = Engine(PARSERS, STRICT)
    made.receive_data(before + b"{6+}\r\nabcdef\r\na1 NOOP\r\n")

    refused, following = events(made)

    assert isinstance(refused, Rejected)
    assert (refused.tag, refused.status) == (b"a2", "BAD")
    assert following == NOOP


def test_a_small_literal_may_come_unasked_and_a_large_one_when_asked_for() -> None:
    made = Engine(PARSERS, STRICT)
    made.receive_data(b"a2 LOGIN {4+}\r\nfred {7}\r\n")
    assert events(made) == [ContinuationNeeded()]

    made.receive_data(b"foo bar\r\n")
    assert events(made) == [LOGIN]
