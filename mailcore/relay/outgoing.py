"""A message for one server: what keeps it from being sent there, and its envelope as commands (RFC 5321 section 4.1.1).

Parameters of extensions (SIZE, 8BITMIME, SMTPUTF8, DSN) go only to who has named them in EHLO. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailcore.address import Address
from mailcore.envelope import Recipient
from mailcore.relay.capabilities import Capabilities
from mailcore.reply import Reply
from mailcore.smtp.xtext import encode_xtext


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """What one transaction is to carry. `size` is of the wire form; `needs_smtputf8` also looks at the header."""

    sender: Address | None
    recipients: Sequence[Recipient]
    size: int = 0
    body_8bit: bool = False
    needs_smtputf8: bool = False
    ret: str = ""
    envid: str = ""


def refusals(mail: OutgoingMail, can: Capabilities) -> dict[Recipient, Reply]:
    """The answer to each recipient that the server need not be asked for."""
    if can.size_limit and mail.size > can.size_limit:
        text = f"the message has {mail.size} bytes, the server takes at most {can.size_limit}"
        return dict.fromkeys(mail.recipients, Reply(552, "5.3.4", text))
    if can.smtputf8:
        return {}
    if mail.needs_smtputf8 or not _is_ascii_local(mail.sender):
        text = "the message has international addresses or header fields (SMTPUTF8), the server does not take them"
        return dict.fromkeys(mail.recipients, Reply(553, "5.6.7", text))
    foreign = [recipient for recipient in mail.recipients if not _is_ascii_local(recipient.address)]
    text = "the server does not take international addresses (SMTPUTF8)"
    return dict.fromkeys(foreign, Reply(553, "5.6.7", text))


def mail_from(mail: OutgoingMail, recipients: Sequence[Recipient], can: Capabilities) -> bytes:
    """MAIL, for a transaction with these of its recipients."""
    words = [f"MAIL FROM:<{_path(mail.sender, can)}>"]
    if can.size and mail.size:
        words.append(f"SIZE={mail.size}")
    if can.eight_bit_mime and mail.body_8bit:
        words.append("BODY=8BITMIME")
    if can.smtputf8 and (mail.needs_smtputf8 or not _is_ascii(mail.sender, recipients)):
        words.append("SMTPUTF8")
    if can.dsn and mail.ret:
        words.append(f"RET={mail.ret}")
    if can.dsn and mail.envid:
        words.append(f"ENVID={encode_xtext(mail.envid)}")
    return " ".join(words).encode() + b"\r\n"


def rcpt_to(recipient: Recipient, can: Capabilities) -> bytes:
    """RCPT."""
    words = [f"RCPT TO:<{_path(recipient.address, can)}>"]
    if can.dsn:
        if recipient.notify:
            words.append("NOTIFY=" + ",".join(sorted(recipient.notify)))
        orcpt = recipient.orcpt or (f"rfc822;{recipient.original}" if recipient.notify else "")
        if orcpt.isascii() and orcpt:
            kind, _, address = orcpt.partition(";")
            words.append(f"ORCPT={kind};{encode_xtext(address)}")
    return " ".join(words).encode() + b"\r\n"


def _path(address: Address | None, can: Capabilities) -> str:
    if address is None:
        return ""
    # Without SMTPUTF8 an international domain travels as A-labels.
    return str(address) if can.smtputf8 else f"{address.local}@{address.domain_key}"


def _is_ascii(sender: Address | None, recipients: Sequence[Recipient]) -> bool:
    addresses = [sender, *(recipient.address for recipient in recipients)]
    return all(address is None or str(address).isascii() for address in addresses)


def _is_ascii_local(address: Address | None) -> bool:
    return address is None or address.local.isascii()
