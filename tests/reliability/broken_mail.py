"""Mail that is wrong in every way one can think of, in any size: each generator takes a size in bytes (roughly).

`KINDS` has them by name. Doubling the size doubles whatever is abused, so that the growth of a reader's time shows.
Wire form, except that some contain bare CR, bare LF and NUL on purpose.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass

HEAD = b"From: a@there.test\r\nTo: b@here.test\r\nSubject: broken\r\nMIME-Version: 1.0\r\n"
TEXT = b"Content-Type: text/plain\r\n\r\nneedle\r\n"


def repeated(piece: bytes, size: int) -> bytes:
    """`piece` as often as fits into `size`."""
    return piece * max(size // len(piece), 1)


def deep_multiparts(size: int) -> bytes:
    """Multiparts inside multiparts: 10,000 levels in a megabyte."""
    levels = max(size // 100, 1)
    opened = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    return HEAD + opened + TEXT


def deep_multiparts_closed(size: int) -> bytes:
    levels = max(size // 120, 1)
    closed = b"".join(b"\r\n--b%d--\r\n" % n for n in reversed(range(levels)))
    return deep_multiparts(levels * 100) + closed


def same_boundary(size: int) -> bytes:
    """Every level uses the same boundary."""
    return HEAD + repeated(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", size) + TEXT


def messages_in_messages(size: int) -> bytes:
    """message/rfc822 chains."""
    return HEAD + repeated(b"Content-Type: message/rfc822\r\n\r\n", size) + TEXT


def digests(size: int) -> bytes:
    return (
        HEAD + b"Content-Type: multipart/digest; boundary=b\r\n\r\n" + repeated(b"--b\r\n\r\nX: y\r\n\r\nz\r\n", size)
    )


def many_parts(size: int) -> bytes:
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated(b"--b\r\n\r\nx\r\n", size)


def parts_without_empty_line(size: int) -> bytes:
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated(b"--b\r\nX: y\r\n", size)


def dashes(size: int) -> bytes:
    """Lines that might be delimiters and are none."""
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated(b"--c\r\n", size)


def dash_line(size: int) -> bytes:
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--" + b"-" * size


def missing_boundary(size: int) -> bytes:
    return HEAD + b"Content-Type: multipart/mixed\r\n\r\n--x\r\n" + TEXT + repeated(b"text\r\n", size)


def missing_closing(size: int) -> bytes:
    return HEAD + b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" + TEXT + repeated(b"--b\r\n", size)


def many_fields(size: int) -> bytes:
    """100,000 header fields in a megabyte and a half."""
    return HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(max(size // 12, 1))) + b"\r\nneedle\r\n"


def same_field(size: int) -> bytes:
    return HEAD + repeated(b"To: x@y.test\r\n", size) + b"\r\nneedle\r\n"


def received_fields(size: int) -> bytes:
    field = b"Received: from a (b [127.0.0.1]) by c with ESMTPS id d;\r\n\tFri, 1 Jan 2021 00:00:00 +0000\r\n"
    return repeated(field, size) + HEAD + b"\r\nneedle\r\n"


def received_parentheses(size: int) -> bytes:
    return b"Received: from " + b"(" * size + b"; Fri, 1 Jan 2021 00:00:00 +0000\r\n" + HEAD + b"\r\nx\r\n"


def long_line(size: int) -> bytes:
    """One header line of 10 MiB."""
    return HEAD + b"X-Long: " + b"x" * size + b"\r\n\r\nneedle\r\n"


def long_subject(size: int) -> bytes:
    return HEAD.replace(b"broken", b"needle " * max(size // 7, 1)) + b"\r\nx\r\n"


def long_folded(size: int) -> bytes:
    return HEAD + b"X-Long: x\r\n" + repeated(b" y\r\n", size) + b"\r\nneedle\r\n"


def only_folds(size: int) -> bytes:
    return HEAD + b"Subject:" + repeated(b"\r\n ", size) + b"\r\n\r\nneedle\r\n"


def long_name(size: int) -> bytes:
    return HEAD + b"X" * size + b": y\r\n\r\nneedle\r\n"


def spaces_before_colon(size: int) -> bytes:
    return HEAD + b"Subject" + b" " * size + b": y\r\n\r\nneedle\r\n"


def no_colons(size: int) -> bytes:
    return HEAD + repeated(b"this is no field\r\n", size) + b"\r\nneedle\r\n"


def nothing_but_header(size: int) -> bytes:
    return repeated(b"X: y\r\n", size)


def nuls(size: int) -> bytes:
    return HEAD + b"Sub\0ject: \0" + repeated(b"\0", size // 2) + b"\r\n\r\n" + repeated(b"\0a", size // 2)


def bare_line_ends(size: int) -> bytes:
    return HEAD.replace(b"\r\n", b"\n") + b"X: a\rb\r\n\r\n" + repeated(b"a\rb\nc\r\r\n\n", size)


def carriage_returns(size: int) -> bytes:
    return HEAD + b"\r\n" + b"\r" * size


def eight_bit_header(size: int) -> bytes:
    return HEAD.replace(b"broken", repeated(b"\xfc\xe4\xff\x80 ", size)) + b"\xff: \xff\r\n\r\nneedle\r\n"


def random_bytes(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def random_header_bytes(size: int) -> bytes:
    return HEAD + b"Content-Type: " + random.Random(size).randbytes(size).replace(b"\n", b"") + b"\r\n\r\nneedle\r\n"


def bad_charset(size: int) -> bytes:
    return (
        HEAD + b'Content-Type: text/plain; charset="\xff\x00no-such-\r\n charset"\r\n\r\n' + repeated(b"\xff\xfe", size)
    )


def charset_that_grows(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + repeated(b"+AAA-", size)


def charset_that_is_no_charset(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=zlib_codec\r\n\r\n" + repeated(b"needle ", size)


def punycode(size: int) -> bytes:
    """A codec of Python's that takes quadratic time."""
    return HEAD + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + repeated(b"abcdefg-", size)


def idna(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=idna\r\n\r\n" + repeated(b"xn--a.", size)


def iso_2022(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + repeated(b"\x1b$B!!\x1b(B\x1b", size)


def bad_base64(size: int) -> bytes:
    return HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + repeated(b"=A=*\xff-_!\r\n", size)


def base64_padding(size: int) -> bytes:
    return HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + repeated(b"QQ==", size)


def bad_quoted_printable(size: int) -> bytes:
    return HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + repeated(b"=\r\n==3=GG \t\r\n", size)


def quoted_printable_spaces(size: int) -> bytes:
    return HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b" " * size + b"x"


def uuencode(size: int) -> bytes:
    return HEAD + b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + repeated(b"begin 644 a\r\nM\x80\r\n~~~\r\n", size)


def encoded_words(size: int) -> bytes:
    return HEAD.replace(b"broken", repeated(b"=?utf-8?q?=FF=C3=28?= ", size)) + b"\r\nneedle\r\n"


def encoded_words_garbage(size: int) -> bytes:
    return HEAD.replace(b"broken", repeated(b"=?utf-8?b?????=?=?=?x?q?", size)) + b"\r\nneedle\r\n"


def encoded_word_openings(size: int) -> bytes:
    return HEAD.replace(b"broken", repeated(b"=?", size)) + b"\r\nneedle\r\n"


def encoded_word_long(size: int) -> bytes:
    return HEAD.replace(b"broken", b"=?utf-8?b?" + b"A" * size + b"?=") + b"\r\nneedle\r\n"


def encoded_word_charset(size: int) -> bytes:
    return HEAD.replace(b"broken", b"=?" + b"x" * size + b"?q?y?=") + b"\r\nneedle\r\n"


def encoded_words_split(size: int) -> bytes:
    return HEAD.replace(b"broken", repeated(b"=?utf-8?q?=C3?= =?utf-8?q?=A4?= ", size)) + b"\r\nneedle\r\n"


def encoded_word_punycode(size: int) -> bytes:
    return HEAD.replace(b"broken", b"=?punycode?q?" + repeated(b"abcdefg-", size) + b"?=") + b"\r\nneedle\r\n"


def recipients(size: int) -> bytes:
    return HEAD + b"Cc: " + repeated(b'"A. Name" <a@b.test>, ', size) + b"\r\n\r\nneedle\r\n"


def address_parentheses(size: int) -> bytes:
    return HEAD + b"Cc: a@b " + b"(" * size + b"\r\n\r\nneedle\r\n"


def address_comments(size: int) -> bytes:
    return HEAD + b"Cc: a@b " + repeated(b"(c) ", size) + b"\r\n\r\nneedle\r\n"


def address_brackets(size: int) -> bytes:
    return HEAD + b"Cc: " + b"<" * size + b"\r\n\r\nneedle\r\n"


def address_quotes(size: int) -> bytes:
    return HEAD + b'Cc: "' + b'\\"' * (size // 2) + b"\r\n\r\nneedle\r\n"


def address_quotes_unclosed(size: int) -> bytes:
    return HEAD + b"Cc: " + repeated(b'"a" "', size) + b"\r\n\r\nneedle\r\n"


def address_groups(size: int) -> bytes:
    return HEAD + b"Cc: " + repeated(b"g:", size) + b"\r\n\r\nneedle\r\n"


def address_groups_closed(size: int) -> bytes:
    return HEAD + b"Cc: " + repeated(b"g:a@b;", size) + b"\r\n\r\nneedle\r\n"


def address_words(size: int) -> bytes:
    return HEAD + b"Cc: " + repeated(b"word ", size) + b"<a@b>\r\n\r\nneedle\r\n"


def address_dots(size: int) -> bytes:
    return HEAD + b"Cc: " + b"a." * (size // 2) + b"@b\r\n\r\nneedle\r\n"


def address_ats(size: int) -> bytes:
    return HEAD + b"Cc: " + b"@" * size + b"\r\n\r\nneedle\r\n"


def address_route(size: int) -> bytes:
    return HEAD + b"Cc: <" + repeated(b"@a,", size) + b":b@c>\r\n\r\nneedle\r\n"


def address_colons(size: int) -> bytes:
    """Colons that might begin a group, behind words that have to be looked through for each."""
    return HEAD + b"Cc: " + repeated(b"w ", size // 2) + b"@" + b":" * (size // 2) + b"\r\n\r\nneedle\r\n"


def address_domain_literal(size: int) -> bytes:
    return HEAD + b"Cc: a@" + b"[" * size + b"\r\n\r\nneedle\r\n"


def parameters(size: int) -> bytes:
    """A huge parameter list."""
    listed = b"".join(b"; p%d=v" % n for n in range(max(size // 8, 1)))
    return HEAD + b"Content-Type: text/plain" + listed + b"\r\n\r\nneedle\r\n"


def parameters_same(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain" + repeated(b"; name=v", size) + b"\r\n\r\nneedle\r\n"


def parameter_semicolons(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain" + b";" * size + b"\r\n\r\nneedle\r\n"


def parameter_quotes(size: int) -> bytes:
    return HEAD + b'Content-Type: text/plain; name="' + repeated(b'\\"', size) + b"\r\n\r\nneedle\r\n"


def parameter_quotes_unclosed(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain" + repeated(b'; n="', size) + b"\r\n\r\nneedle\r\n"


def parameter_spaces(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain; name" + b" " * size + b"=x" + b" " * size + b"\r\n\r\nneedle\r\n"


def parameter_comments(size: int) -> bytes:
    return HEAD + b"Content-Type: text/plain " + repeated(b"(", size) + b"; name=x\r\n\r\nneedle\r\n"


def continuations(size: int) -> bytes:
    """RFC 2231 section 3."""
    listed = b"".join(b"; name*%d*=%%41" % n for n in range(max(size // 14, 1)))
    return HEAD + b"Content-Type: application/x" + listed + b"\r\n\r\nneedle\r\n"


def continuations_wrong(size: int) -> bytes:
    wrong = b"; name*%d=a; name*%d*=%%; name*-1=x; name*01=y; name**=z; name*%d*=utf-8''%%C3"
    listed = b"".join(wrong % (n * 7, n, 10**9 - n) for n in range(max(size // 90, 1)))
    return HEAD + b"Content-Disposition: attachment" + listed + b"\r\n\r\nneedle\r\n"


def continuation_number(size: int) -> bytes:
    """Python refuses to convert so many digits to a number."""
    return HEAD + b"Content-Type: text/plain; name*" + b"9" * size + b"=x\r\n\r\nneedle\r\n"


def extended_value(size: int) -> bytes:
    return HEAD + b"Content-Disposition: attachment; filename*=" + b"'" * size + b"%\r\n\r\nneedle\r\n"


def date_digits(size: int) -> bytes:
    return HEAD + b"Date: " + b"1" * size + b" Jan 2020 00:00:00 +0000\r\n\r\nneedle\r\n"


def date_spaces(size: int) -> bytes:
    return HEAD + b"Date: Mon, 1 Jan 2020" + b" " * size + b"00:00 (" + b"(" * size + b"\r\n\r\nneedle\r\n"


def date_comments(size: int) -> bytes:
    return HEAD + b"Date: " + repeated(b"(x)", size) + b" 1 Jan 2020 00:00:00 +0000\r\n\r\nneedle\r\n"


def message_ids(size: int) -> bytes:
    return HEAD + b"Message-ID: " + b"<" * size + b"\r\nReferences: " + repeated(b"<a@b> ", size) + b"\r\n\r\nx\r\n"


def languages(size: int) -> bytes:
    return HEAD + b"Content-Language: " + repeated(b"a, ", size) + b"\r\n\r\nneedle\r\n"


def html_tags(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + repeated(b"<div>", size)


def html_tables(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + repeated(b"<table><tr><td>", size)


def html_formatting(size: int) -> bytes:
    """The adoption agency algorithm of HTML parsers."""
    return HEAD + b"Content-Type: text/html\r\n\r\n" + repeated(b"<b><i><a href=x><p></b>", size)


def html_attributes(size: int) -> bytes:
    listed = b"".join(b" a%d=1" % n for n in range(max(size // 8, 1)))
    return HEAD + b"Content-Type: text/html\r\n\r\n<p" + listed + b">needle"


def html_style(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n<p style='" + repeated(b"color:red;", size) + b"'>needle"


def html_style_nested(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n<style>" + repeated(b"a{", size) + b"</style><p>needle"


def html_comments(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + repeated(b"<!--", size)


def html_entities(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + repeated(b"&#x26;&amp", size)


def html_open_brackets(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + b"<" * size


def html_urls(size: int) -> bytes:
    return HEAD + b"Content-Type: text/html\r\n\r\n" + repeated(b"<img src=cid:x><a href='http://a'>", size)


def html_parts(size: int) -> bytes:
    part = b"--b\r\nContent-Type: text/html\r\n\r\n<b>x\r\n"
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated(part, size)


def text_links(size: int) -> bytes:
    return HEAD + b"\r\n" + repeated(b"http://a.test/b?c=d,(e)) www. ", size)


def text_link_long(size: int) -> bytes:
    return HEAD + b"\r\nhttp://" + b"a." * (size // 2)


def text_quotes(size: int) -> bytes:
    return HEAD + b"\r\n" + b">" * size + b"\r\n" + repeated(b"> >> > x\r\n", size)


def text_lines(size: int) -> bytes:
    return HEAD + b"\r\n" + repeated(b"\r\n", size)


def text_accents(size: int) -> bytes:
    """One letter and very many accents: what normalisation sorts."""
    accents = "a" + "\u0316\u0301" * max(size // 4, 1)
    return HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + accents.encode()


def from_lines(size: int) -> bytes:
    """What mbox has to quote."""
    return HEAD + b"\r\n" + repeated(b"From a@b Thu Jan  1 00:00:00 1970\r\n>From x\r\n\r\n", size)


def status_fields(size: int) -> bytes:
    """What mbox keeps flags in."""
    return HEAD + repeated(b"Status: RO\r\nX-Keywords: a b\r\nX-Mailkeep-Id: x\r\n", size) + b"\r\nneedle\r\n"


def attachments_same_name(size: int) -> bytes:
    part = b'--b\r\nContent-Disposition: attachment; filename="../../etc/\xff\r\n passwd"\r\n\r\nx\r\n'
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + repeated(part, size)


def content_ids(size: int) -> bytes:
    part = b"--b\r\nContent-Type: image/png\r\nContent-ID: <x>\r\n\r\nx\r\n"
    html = b"--b\r\nContent-Type: text/html\r\n\r\n" + repeated(b"<img src=cid:x>", size // 2) + b"\r\n"
    return HEAD + b"Content-Type: multipart/related; boundary=b\r\n\r\n" + html + repeated(part, size // 2)


def attachment(size: int) -> bytes:
    """Nothing wrong with it: what a large message costs anyway."""
    return HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"x" * (size * 3 // 4))


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to be wrong."""

    name: str
    make: Callable[[int], bytes]


KINDS = [
    Kind(name, function)
    for name, function in list(globals().items())
    if callable(function) and getattr(function, "__annotations__", {}) == {"size": "int", "return": "bytes"}
]
