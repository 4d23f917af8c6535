"""The relay client against a server that does everything a server on the Internet may do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailcore.address import Address
from mailcore.config.snapshot import NextHop
from mailcore.envelope import Recipient
from mailcore.outcome import Deferred, Delivered, Failed, Outcome
from mailcore.relay.attempt import HopSender
from mailcore.relay.client import Credentials
from mailcore.relay.connection import Settings, tls_contexts
from mailcore.relay.mx import Target
from mailcore.relay.outgoing import OutgoingMail
from tests.fakes.certificates import TestAuthority
from tests.fakes.smtp_sink import HANG_UP, RESET, STALL, Script, Sink
from tests.fixtures_servers import wait_until

ALICE = Address.parse("alice@here.test")
BOB = Recipient(Address.parse("bob@there.test"), Address.parse("bob@there.test"))
CAROL = Recipient(Address.parse("carol@there.test"), Address.parse("carol@there.test"))
MESSAGE = b"Subject: hi\n\nfirst\n.dot\n..two dots\n.\nlast\n"
ON_THE_WIRE = MESSAGE.replace(b"\n", b"\r\n")
QUICK = 1 / 300  # a limit of five minutes becomes one second


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("ca"))


@contextlib.contextmanager
def sender_to(
    *sinks: Sink,
    tls: str = "none",
    ca_file: Path | None = None,
    credentials: Credentials | None = None,
    host: str = "127.0.0.1",
    keepalive=lambda: None,
) -> Iterator[HopSender]:
    targets = [Target(host, sink.host, sink.port) for sink in sinks]
    settings = Settings("here.test", *tls_contexts(ca_file), time_scale=QUICK, keepalive=keepalive)
    sender = HopSender(NextHop(host, 25, tls=tls), lambda: targets, settings, credentials)
    try:
        yield sender
    finally:
        sender.close()


def mail(*recipients: Recipient) -> OutgoingMail:
    return OutgoingMail(ALICE, recipients or (BOB,), size=len(ON_THE_WIRE))


def send(sender: HopSender, *recipients: Recipient, content: bytes = MESSAGE) -> tuple[Outcome, ...]:
    return sender.send(mail(*recipients), lambda: [content]).outcomes


def tried(script: Script, *recipients: Recipient, content: bytes = MESSAGE) -> tuple[Outcome, ...]:
    with Sink(script) as sink, sender_to(sink) as sender:
        return send(sender, *recipients, content=content)


def test_a_message_arrives_as_it_was():
    with Sink() as sink, sender_to(sink) as sender:
        (outcome,) = send(sender)

        assert isinstance(outcome, Delivered) and outcome.reply.text == "taken"
        assert outcome.relay == f"127.0.0.1[127.0.0.1]:{sink.port}"
        assert sink.received[0].content == ON_THE_WIRE
        assert sink.received[0].sender == "alice@here.test" and sink.received[0].recipients == ["bob@there.test"]


@pytest.mark.parametrize(
    "content", [b"\n.\n.\nMAIL FROM:<x@y>\n", b"a\n.\n", b"", b"no line end", b".", b"\r.\r\n.\r\n"]
)
def test_nothing_in_a_message_ends_it_early(content):
    with Sink() as sink, sender_to(sink) as sender:
        send(sender, content=content)

        wire = content.replace(b"\r\n", b"\n").replace(b"\r", b" ").replace(b"\n", b"\r\n")
        assert sink.received[0].content == (wire if wire.endswith(b"\r\n") or not wire else wire + b"\r\n")
        assert [line.split(":")[0] for line in sink.commands if line != "QUIT"] == [
            "EHLO here.test", "MAIL FROM", "RCPT TO", "DATA",
        ]  # fmt: skip


def test_several_messages_share_a_connection():
    with Sink() as sink, sender_to(sink) as sender:
        for _ in range(5):
            send(sender)

        assert len(sink.received) == 5 and sink.connections == 1


def test_a_server_that_ends_a_connection_after_some_messages_gets_a_new_one():
    with Sink(Script(messages_per_connection=2)) as sink, sender_to(sink) as sender:
        outcomes = [send(sender)[0] for _ in range(5)]

        assert all(isinstance(outcome, Delivered) for outcome in outcomes)
        assert [message.connection for message in sink.received] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "end_of_data"])
@pytest.mark.parametrize(("code", "kind"), [("451 4.3.0 not now", Deferred), ("554 5.7.1 never", Failed)])
def test_a_refusal_at_each_stage_counts_as_what_it_is(stage, code, kind):
    script = Script(**{stage: code})
    if stage == "ehlo":
        script.helo = code

    (outcome,) = tried(script)

    assert isinstance(outcome, kind)
    assert outcome.reply.enhanced == code.split()[1] and code.split(maxsplit=2)[2] in outcome.reply.text


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "mail", "rcpt", "data", "end_of_data"])
@pytest.mark.parametrize("action", [STALL, HANG_UP, RESET])
def test_a_server_that_goes_silent_or_away_is_tried_again_later(stage, action):
    began = time.monotonic()

    (outcome,) = tried(Script(**{stage: action}))

    assert isinstance(outcome, Deferred) and outcome.reply.enhanced == "4.4.2"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("error", [ConnectionResetError, BrokenPipeError])
def test_a_server_that_hangs_up_while_we_connect_is_there(monkeypatch, error):
    """When its RST is quicker than we are, the kernel says so in the place of "connected", in either of two ways."""

    def too_late(*_: object, **__: object) -> socket.socket:
        raise error

    monkeypatch.setattr(socket, "create_connection", too_late)
    (outcome,) = tried(Script())

    assert isinstance(outcome, Deferred) and outcome.reply.enhanced == "4.4.2"


def send_both(sender: HopSender) -> list[Outcome]:
    """Two messages, the envelope of the second sent ahead."""
    first, second = mail(), mail(CAROL)
    outcomes = sender.send(first, lambda: [MESSAGE], following=lambda: second).outcomes
    return [*outcomes, *sender.send(second, lambda: [MESSAGE]).outcomes]


def test_an_envelope_sent_ahead_is_gone_on_with():
    with Sink() as sink, sender_to(sink) as sender:
        outcomes = send_both(sender)

        assert all(isinstance(outcome, Delivered) for outcome in outcomes) and sink.connections == 1
        assert [message.recipients for message in sink.received] == [["bob@there.test"], ["carol@there.test"]]
        assert sink.received[0].content == sink.received[1].content == ON_THE_WIRE


@pytest.mark.parametrize("end", ["421 4.3.2 closing", HANG_UP, RESET])
def test_a_server_that_leaves_after_a_message_is_called_again_for_the_one_sent_ahead(end):
    ends = iter([end, "250 ok"])
    with Sink(Script(end_of_data=lambda _: next(ends))) as sink, sender_to(sink) as sender:
        first, second = send_both(sender)

        assert isinstance(first, Deferred) and isinstance(second, Delivered)
        assert sink.connections == 2 and [m.recipients for m in sink.received] == [["carol@there.test"]]


def test_an_envelope_sent_ahead_and_given_up_brings_no_message():
    with Sink() as sink:
        with sender_to(sink) as sender:
            sender.send(mail(), lambda: [MESSAGE], following=lambda: mail(CAROL))
        wait_until(lambda: not sink._open, what="the sink has seen the end of the connection")

        assert [message.recipients for message in sink.received] == [["bob@there.test"]]


def test_what_was_done_before_is_not_kept_waiting_by_a_slow_server():
    times: list[float] = []
    script = Script(end_of_data=lambda _: (time.sleep(0.5), times.append(time.monotonic()), "250 ok")[2])
    done_at: list[float] = []
    with Sink(script) as sink, sender_to(sink) as sender:
        sender.send(mail(), lambda: [MESSAGE], lambda: done_at.append(time.monotonic()))

    assert max(done_at) < times[0] - 0.1 and len(done_at) >= 3, "again after a moment, while the server thinks"


def test_one_recipient_refused_does_not_hurt_the_other():
    script = Script(rcpt=lambda address: "550 5.1.1 no such user" if address.startswith("carol") else "250 ok")

    bob, carol = tried(script, BOB, CAROL)

    assert isinstance(bob, Delivered)
    assert isinstance(carol, Failed) and carol.reply.text == "no such user"


def test_a_refused_recipient_stays_refused_when_the_connection_breaks_afterwards():
    script = Script(rcpt=lambda address: "550 5.1.1 no" if address.startswith("carol") else "250 ok", data=HANG_UP)

    bob, carol = tried(script, BOB, CAROL)

    assert isinstance(bob, Deferred) and isinstance(carol, Failed)


def test_a_server_that_lies_about_pipelining_costs_a_retry_and_nothing_else():
    """It promises PIPELINING, but throws away what came together with MAIL."""
    with Sink() as sink, sender_to(sink) as sender:
        serve = sink._serve
        sink._serve = lambda sock, number: serve(_DropsAfterMail(sock), number)  # type: ignore[method-assign]
        (outcome,) = send(sender)

    assert isinstance(outcome, Deferred) and not sink.received


class _DropsAfterMail:
    """A socket whose reads lose everything behind the first line that begins with MAIL."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        return data[: data.index(b"\r\n") + 2] if data.startswith(b"MAIL") else data

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def test_multi_line_replies_keep_their_words():
    (outcome,) = tried(Script(end_of_data="550 5.7.1 first line\n5.7.1 second line"))

    assert isinstance(outcome, Failed) and outcome.reply.text == "first line\nsecond line"


def test_a_reply_that_is_none_ends_the_session_for_now():
    (outcome,) = tried(Script(mail="hello there"))

    assert isinstance(outcome, Deferred) and "broke the protocol" in outcome.reply.text


def test_a_server_that_refuses_in_the_middle_of_a_large_message_has_its_words_heard():
    big = b"x" * 70 + b"\n"
    with Sink(Script(cut_content_at=50_000)) as sink, sender_to(sink) as sender:
        (outcome,) = send(sender, content=big * 200_000)

    assert isinstance(outcome, Deferred) and not sink.received


def test_the_next_host_is_tried_when_the_first_does_not_answer_or_not_want():
    with Sink(Script(greeting="421 4.3.2 busy")) as busy, Sink() as good:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            dead = Sink()
            dead._listener = closed
            closed.close()
        with sender_to(busy, good) as sender:
            (outcome,) = send(sender)

    assert isinstance(outcome, Delivered) and len(good.received) == 1 and busy.connections == 1


def test_when_no_host_answers_the_other_messages_do_not_wait_again():
    with Sink() as sink:
        port = sink.port
    targets = [Target("gone.test", "127.0.0.1", port)]
    resolved: list[int] = []
    sender = HopSender(
        NextHop("gone.test"), lambda: (resolved.append(1), targets)[1], Settings("here.test", *tls_contexts())
    )

    outcomes = [send(sender)[0] for _ in range(3)]

    assert all(isinstance(outcome, Deferred) and "refused" in outcome.reply.text for outcome in outcomes)
    assert len(resolved) == 1 and sender.unreachable is not None


def test_the_lease_is_kept_alive_while_the_server_thinks(monkeypatch):
    monkeypatch.setattr("mailcore.relay.wire.SLICE_S", 0.05)
    calls: list[float] = []

    with Sink(Script(end_of_data=STALL)) as sink, sender_to(sink, keepalive=lambda: calls.append(1)) as sender:
        send(sender)

    assert len(calls) > 5


def test_what_was_done_before_is_written_down_while_the_server_thinks():
    order: list[str] = []
    script = Script(end_of_data=lambda _: (order.append("accepted"), "250 ok")[1])
    with Sink(script) as sink, sender_to(sink) as sender:
        sender.send(mail(), lambda: [MESSAGE])
        sender.send(mail(), lambda: [MESSAGE], lambda: order.append("recorded"))

    assert order[:2] == ["accepted", "recorded"] and order.count("accepted") == 2


def test_content_that_cannot_be_read_is_never_taken_for_a_whole_message():
    def broken() -> Iterator[bytes]:
        yield MESSAGE
        raise OSError("disk")

    with Sink() as sink, sender_to(sink) as sender:
        with pytest.raises(OSError, match="disk"):
            sender.send(mail(), broken)
        (outcome,) = send(sender)

    assert len(sink.received) == 1 and isinstance(outcome, Delivered)


# TLS


@pytest.mark.parametrize("level", ["may", "encrypt", "verify"])
def test_starttls(authority, level):
    with (
        Sink(tls=authority.server_context("127.0.0.1")) as sink,
        sender_to(sink, tls=level, ca_file=authority.ca_file) as sender,
    ):
        (outcome,) = send(sender)

    assert isinstance(outcome, Delivered) and outcome.tls.startswith("TLSv1.3 ") and sink.received[0].tls


def test_implicit_tls(authority):
    with (
        Sink(tls=authority.server_context("127.0.0.1"), implicit_tls=True) as sink,
        sender_to(sink, tls="implicit") as sender,
    ):
        (outcome,) = send(sender)

    assert isinstance(outcome, Delivered) and sink.received[0].tls and "STARTTLS" not in sink.commands


def test_a_certificate_for_another_name_is_not_verified(authority):
    with (
        Sink(tls=authority.server_context("other.test")) as sink,
        sender_to(sink, tls="verify", ca_file=authority.ca_file) as sender,
    ):
        (outcome,) = send(sender)

    assert isinstance(outcome, Deferred) and outcome.reply.enhanced == "4.7.5" and not sink.received


def test_a_certificate_of_nobody_is_not_verified_but_encrypts(authority):
    with Sink(tls=authority.server_context("127.0.0.1")) as sink:
        with sender_to(sink, tls="verify") as sender:
            assert isinstance(send(sender)[0], Deferred)
        with sender_to(sink, tls="encrypt") as sender:
            assert isinstance(send(sender)[0], Delivered)


def test_opportunistic_tls_that_breaks_goes_in_clear_required_tls_does_not(authority):
    script = Script(garbage_for_handshake=b"this is no TLS\r\n")
    with Sink(script, tls=authority.server_context("127.0.0.1")) as sink:
        with sender_to(sink, tls="encrypt") as sender:
            assert isinstance(send(sender)[0], Deferred)
        with sender_to(sink, tls="may") as sender:
            assert isinstance(send(sender)[0], Delivered)

    assert not sink.received[0].tls


def test_replies_injected_before_the_handshake_are_not_believed(authority):
    """CVE-2011-0411, from the client's side: 250s in clear behind the 220 must not answer EHLO inside TLS."""
    script = Script(injected=b"250-evil.test\r\n250 AUTH PLAIN\r\n")
    with (
        Sink(script, tls=authority.server_context("127.0.0.1")) as sink,
        sender_to(sink, tls="encrypt", credentials=Credentials("user", "word")) as sender,
    ):
        (outcome,) = send(sender)

    assert isinstance(outcome, Deferred)
    assert not any(command.startswith("AUTH") for command in sink.commands)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_authentication_inside_tls(authority, mechanism):
    script = Script(keywords=("PIPELINING", f"AUTH {mechanism}"), users={"user": "word"})
    with Sink(script, tls=authority.server_context("127.0.0.1")) as sink:
        with sender_to(sink, tls="encrypt", credentials=Credentials("user", "word")) as sender:
            assert isinstance(send(sender)[0], Delivered)
        with sender_to(sink, tls="encrypt", credentials=Credentials("user", "wrong")) as sender:
            (refused,) = send(sender)

    assert sink.received[0].user == "user"
    assert isinstance(refused, Deferred) and "535" in refused.reply.text


def test_a_password_is_not_sent_after_a_broken_handshake():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    script = Script(keywords=("AUTH PLAIN",), garbage_for_handshake=b"no TLS here\r\n", users={"user": "word"})
    with (
        Sink(script, tls=context) as sink,
        sender_to(sink, tls="may", credentials=Credentials("user", "word")) as sender,
    ):
        (outcome,) = send(sender)

    assert isinstance(outcome, Deferred) and not any(command.startswith("AUTH") for command in sink.commands)
