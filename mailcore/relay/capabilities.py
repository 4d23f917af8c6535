"""What the other server says it can do: its reply to EHLO (RFC 5321 section 4.1.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.reply import Reply


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The extensions this client uses. The default is what HELO promises: nothing."""

    pipelining: bool = False
    starttls: bool = False
    eight_bit_mime: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size: bool = False
    size_limit: int = 0
    auth: frozenset[str] = frozenset()


def parse_ehlo(reply: Reply) -> Capabilities:
    """The keywords after the greeting line; unknown ones do not matter."""
    keywords: dict[str, list[str]] = {}
    for line in reply.text.split("\n")[1:]:
        # "AUTH=LOGIN" is a form from before RFC 2554 that some servers still add.
        words = line.upper().replace("AUTH=", "AUTH ", 1).split()
        if words:
            keywords.setdefault(words[0], []).extend(words[1:])
    size = keywords.get("SIZE", [])
    return Capabilities(
        pipelining="PIPELINING" in keywords,
        starttls="STARTTLS" in keywords,
        eight_bit_mime="8BITMIME" in keywords,
        smtputf8="SMTPUTF8" in keywords,
        dsn="DSN" in keywords,
        size="SIZE" in keywords,
        size_limit=int(size[0]) if size and size[0].isdigit() else 0,
        auth=frozenset(keywords.get("AUTH", ())),
    )
