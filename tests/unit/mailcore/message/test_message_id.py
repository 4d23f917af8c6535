"""Message identifiers of threads (RFC 5256 section 3)."""

import time

import pytest

from mailcore.message.headers import parse_headers
from mailcore.message.message_id import HASH_OCTETS, MOST_REFERENCES, NONE, identifiers, thread_refs


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"<a@b>", [b"a@b"]),
        (b"<a@b> <c@d>", [b"a@b", b"c@d"]),
        (b"<a@b><c@d>", [b"a@b", b"c@d"]),
        (b"a@b", []),
        (b"<nothing>", []),
        (b"<nothing> <c@d>", [b"c@d"]),
        (b"<a @ b>", [b"a@b"]),
        # The example of section 3.
        (b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', [b"01KF8JCEOCBS0045PS@xxx.yyy.com"]),
        (b'<"a\\"b"@c>', [b'a"b@c']),
        (b"<a@[127.0.0.1]>", [b"a@[127.0.0.1]"]),
        (b'Message of "Tue, 1 Jan" <a@b>', [b"a@b"]),
        (b'<"open@b> <c@d>', [b"c@d"]),
        (b"<a@b", []),
        (b"<<a@b>", [b"a@b"]),
        (b"", []),
    ],
)
def test_identifiers(value: bytes, found: list[bytes]) -> None:
    assert list(identifiers(value)) == found


@pytest.mark.parametrize("text", [b"<", b'<"', b"<(", b"<a", b'<"a\\', b"<[", b'\\<"', b"<a@b"])
def test_anything_takes_linear_time(text: bytes) -> None:
    started = time.process_time()

    list(identifiers(text * 100_000))

    assert time.process_time() - started < 1


def refs(header: bytes) -> list[bytes]:
    packed = thread_refs(parse_headers(header))
    return [packed[start : start + HASH_OCTETS] for start in range(0, len(packed), HASH_OCTETS)]


def test_references_count_before_in_reply_to() -> None:
    both = refs(b"Message-ID: <c@x>\r\nReferences: <a@x>\r\n <b@x>\r\nIn-Reply-To: <z@x>\r\n")
    only_reply = refs(b"Message-ID: <z@x>\r\nReferences: none\r\nIn-Reply-To: <c@x> <a@x>\r\n")

    own, first, second = both
    assert only_reply[1:] == [own]
    assert refs(b"Message-ID: <a@x>\r\n") == [first]
    assert refs(b'Message-ID: <"b"@x>\r\n') == [second]


def test_a_message_without_identifier() -> None:
    assert refs(b"Subject: x\r\n") == [NONE]


def test_the_last_references_are_kept() -> None:
    many = b" ".join(b"<%d@x>" % number for number in range(MOST_REFERENCES + 5))

    found = refs(b"Message-ID: <own@x>\r\nReferences: " + many + b"\r\n")

    assert len(found) == 1 + MOST_REFERENCES
    assert found[-1:] == refs(b"Message-ID: <%d@x>\r\n" % (MOST_REFERENCES + 4))
