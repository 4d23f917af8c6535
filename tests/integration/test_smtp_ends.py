"""How sessions of SMTP end that would go on, on real sockets."""

from tests.integration.smtp_server import smtp_server

__all__ = ["smtp_server"]

TOO_BIG = b"552 5.3.4 Message size exceeds fixed limit"
ENOUGH = b"421 4.3.4 Error: too much sent after it was refused"


def in_a_message(smtp):
    client = smtp.hello()
    client.say(b"MAIL FROM:<a@b.example>")
    assert client.code(b"RCPT TO:<%s>" % smtp.account().encode()) == b"250"
    return client


def test_data_without_an_end_is_cut_off(smtp):
    client = in_a_message(smtp)
    client.say(b"DATA")
    block = (b"x" * 998 + b"\r\n") * 1000

    sent = 0
    try:
        while sent < 300_000_000:
            client.send(block)
            sent += len(block)
    except ConnectionError:
        pass

    assert 2 * 20_000_000 < sent < 300_000_000
    assert list((smtp.home / "spool" / "incoming").iterdir()) == []
    assert smtp.hello().code(b"NOOP") == b"250"


def test_a_chunk_beyond_all_bounds_is_refused_at_once(smtp):
    client = in_a_message(smtp)

    assert client.say(b"BDAT 999999999999999") == TOO_BIG
    assert client.reply() == ENOUGH
    assert client.is_closed()
