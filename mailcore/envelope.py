"""The envelope of a message on its way (RFC 5321 section 2.3.1) with its delivery notification wishes (RFC 3461)."""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.address import Address


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path.

    `address` is after rewriting and expansion, `original` as the client gave it. `notify` holds NEVER, SUCCESS,
    FAILURE, DELAY (empty: not asked); `orcpt` is the ORCPT parameter as given, xtext-decoded ("rfc822;a@b").
    """

    address: Address
    original: Address
    notify: frozenset[str] = frozenset()
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender (None is the null reverse-path) and recipients; `ret` is "", FULL or HDRS."""

    sender: Address | None
    recipients: tuple[Recipient, ...]
    ret: str = ""
    envid: str = ""
    smtputf8: bool = False
    body_8bit: bool = False

    @property
    def sender_text(self) -> str:
        """The reverse-path without its angle brackets; "" for the null one."""
        return str(self.sender) if self.sender else ""
