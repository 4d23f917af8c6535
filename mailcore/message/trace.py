"""Trace fields: written for our own hop, counted, and read as a message's journey (RFC 5321 section 4.4, RFC
3848).

What is written is in disk form (LF) and safe to put in front of any message: nothing a client said can break
out of its place. What is read comes from strangers and proves nothing; only the topmost hop is our own word.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from mailcore.message.charset import decode
from mailcore.message.date import format_date, parse_date
from mailcore.message.headers import Headers

MAX_STOPS = 100

_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_UNSAFE = re.compile(r"[^!-'*-:=?-\[\]-~\u00a1-\U0010ffff]")
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x1f\x7f<>]")
_TOKENS = re.compile(r"\s+|([^\s()]+)|(.)")
_CLAUSES = frozenset({"from", "by", "via", "with", "id", "for"})
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f.:]{3,45})\]")
_BARE_ADDRESS = re.compile(r"(?<![\w.:])(\d{1,3}(?:\.\d{1,3}){3})(?![\w.:])")
_TLS_VERSION = re.compile(r"\bTLS\s*v?\s*(1(?:[._][0-3])?)\b|\b(SSLv[23])\b", re.IGNORECASE)
_TLS_CIPHER = re.compile(r"\bcipher[ =]+([A-Za-z0-9_.-]{5,64})|\b(TLS_[A-Z0-9_]+|ECDHE-[A-Z0-9-]+)")
_TLS_PROTOCOL = re.compile(r"^(?:UTF8)?(?:E?SMTP|LMTP)SA?$", re.IGNORECASE)
_LONGEST_FIELD = 4_000


@dataclass(frozen=True, slots=True)
class TlsUsed:
    """What ssl.SSLSocket.version() and .cipher() said: TlsUsed("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256).

    0 bits: unknown, where TLS ends at a balancer.
    """

    version: str
    cipher: str
    bits: int


@dataclass(frozen=True, slots=True)
class Hop:
    """One reception by this host. `recipient` only where there is a single one: Bcc must stay blind."""

    helo: str
    client_name: str
    client_address: str
    by: str
    protocol: str
    queue_id: str
    at: datetime
    recipient: str = ""
    tls: TlsUsed | None = None
    authenticated: str = ""
    software: str = "Mailkeep"


def protocol_name(*, extended: bool, tls: bool, authenticated: bool, utf8: bool = False) -> str:
    """The "with" keyword of RFC 3848 and RFC 6531 section 4.3."""
    if not (extended or utf8):
        return "SMTP"
    return ("UTF8SMTP" if utf8 else "ESMTP") + ("S" if tls else "") + ("A" if authenticated else "")


def received(hop: Hop) -> bytes:
    """The Received field of `hop`, in disk form, clauses laid out as Postfix lays them out."""
    lines = [
        f"Received: from {_safe(hop.helo)} ({_safe(hop.client_name) or 'unknown'} [{_literal(hop.client_address)}])"
    ]
    if hop.tls is not None:
        bits = f" ({hop.tls.bits}/{hop.tls.bits} bits)" if hop.tls.bits else ""
        lines.append(f"(using {_safe(hop.tls.version)} with cipher {_safe(hop.tls.cipher)}{bits})")
    if hop.authenticated:
        lines.append(f"(Authenticated sender: {_safe(hop.authenticated)})")
    lines.append(f"by {_safe(hop.by)} ({_safe(hop.software)}) with {_safe(hop.protocol)} id {_safe(hop.queue_id)}")
    if hop.recipient:
        lines.append(f"for <{_safe(hop.recipient)}>")
    lines[-1] += f"; {format_date(hop.at)}"
    return "\n\t".join(lines).encode("utf-8", "replace") + b"\n"


def return_path(sender: object | None) -> bytes:
    """The Return-Path field of final delivery, in disk form; the null sender (None or "") is <>."""
    return f"Return-Path: <{_UNSAFE_IN_PATH.sub('', str(sender or ''))}>\n".encode("utf-8", "replace")


def hop_count(header: bytes) -> int:
    """How many Received fields a header section has, in wire or disk form."""
    return len(_RECEIVED.findall(header))


def _safe(text: str) -> str:
    """One word without anything that means something inside a Received field."""
    return _UNSAFE.sub("?", text[:255])


def _literal(address: str) -> str:
    return f"IPv6:{_safe(address)}" if ":" in address else _safe(address)


@dataclass(frozen=True, slots=True)
class Stop:
    """One Received field as read: empty where it says nothing. delay_s is the time since the stop before."""

    sender: str
    sender_address: str
    by: str
    protocol: str
    queue_id: str
    recipient: str
    at: datetime | None
    delay_s: float | None
    tls: str
    cipher: str
    text: str


def journey(headers: Headers) -> list[Stop]:
    """The stops of a message in the order of travel: the first host that took it comes first. Never
    raises."""
    stops: list[Stop] = []
    before: datetime | None = None
    for value in reversed(headers.all(b"received")[:MAX_STOPS]):
        stop = _stop(decode(value[:_LONGEST_FIELD]), before)
        stops.append(stop)
        before = stop.at or before
    return stops


def _stop(text: str, before: datetime | None) -> Stop:
    head, _, date = text.rpartition(";")
    at = parse_date(date.encode("utf-8", "replace"))
    clauses, comments = _clauses(head or text)
    sender = clauses.get("from", "")
    protocol = clauses.get("with", "")
    tls, cipher = _tls(" ".join(comments.values()), protocol)
    return Stop(
        sender=sender.strip("[]"),
        sender_address=_address(sender, comments.get("from", "")),
        by=clauses.get("by", ""),
        protocol=protocol,
        queue_id=clauses.get("id", "").strip("<>"),
        recipient=clauses.get("for", "").strip("<>"),
        at=at,
        delay_s=(at - before).total_seconds() if at is not None and before is not None else None,
        tls=tls,
        cipher=cipher,
        text=" ".join(text.split()),
    )


def _clauses(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The first word behind each keyword, and the comments behind it; comments before any keyword count as
    from's."""
    values: dict[str, str] = {}
    comments: dict[str, str] = {}
    keyword, depth, start, is_first = "from", 0, 0, True
    for match in _TOKENS.finditer(text):
        word, parenthesis = match.groups()
        if parenthesis == "(":
            depth += 1
            start = match.end() if depth == 1 else start
        elif parenthesis == ")" and depth:
            depth -= 1
            if not depth:
                comments[keyword] = f"{comments.get(keyword, '')} {text[start : match.start()]}".strip()
        elif word and not depth:
            if word.lower() in _CLAUSES and (word.lower() not in values):
                keyword, is_first = word.lower(), True
            elif is_first:
                values[keyword], is_first = word.rstrip(","), False
    return values, comments


def _address(sender: str, comment: str) -> str:
    for pattern in (_LITERAL, _BARE_ADDRESS):
        for place in (comment, sender):
            if match := pattern.search(place):
                return match[1]
    return ""


def _tls(comments: str, protocol: str) -> tuple[str, str]:
    """(version, cipher): "TLS" when only the protocol's S says that there was encryption."""
    cipher = _TLS_CIPHER.search(comments)
    name = (cipher[1] or cipher[2]) if cipher else ""
    if version := _TLS_VERSION.search(comments):
        number = version[1].replace("_", ".") if version[1] else ""
        return (f"TLSv{number}" if number else version[2]), name
    return ("TLS" if name or _TLS_PROTOCOL.match(protocol) else ""), name


def arrival_time(headers: Headers) -> datetime | None:
    """When the last host received the message, in UTC: the internal date of mail found without one."""
    fields = headers.all(b"received")
    return parse_date(fields[0].rpartition(b";")[2]) if fields else None
