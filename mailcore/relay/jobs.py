"""What there is to do in a lease: one job for each message and next hop, and what its transaction carries. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailcore.config.snapshot import NextHop, Snapshot
from mailcore.outcome import Deferred, Outcome
from mailcore.queue.records import LeasedMessage, LeasedRecipient
from mailcore.queue.spool import SpoolReader
from mailcore.relay.hops import hop_of
from mailcore.relay.outgoing import OutgoingMail
from mailcore.reply import Reply

HEADER_BYTES = 65536
MAX_RECIPIENTS = 100  # every server takes so many in one transaction (RFC 5321 section 4.5.3.1.8)


@dataclass(frozen=True, slots=True)
class Job:
    """Recipients of one message with the same next hop, by the same rule."""

    message: LeasedMessage
    recipients: tuple[LeasedRecipient, ...]
    rule: str


def by_hop(messages: Sequence[LeasedMessage], snapshot: Snapshot) -> Iterator[tuple[NextHop | None, list[Job]]]:
    """Jobs grouped by next hop: one group as a rule, more when the configuration changed since the claim."""
    groups: dict[str, tuple[NextHop | None, list[Job]]] = {}
    for message in messages:
        split: dict[tuple[str, str], tuple[NextHop | None, list[LeasedRecipient]]] = {}
        for leased in message.recipients:
            hop = hop_of(leased.recipient.address, message.sender, snapshot)
            key, rule = (hop.key, hop.rule) if hop else ("", "local")
            split.setdefault((key, rule), (hop, []))[1].append(leased)
        for (key, rule), (hop, recipients) in split.items():
            for start in range(0, len(recipients), MAX_RECIPIENTS):
                part = tuple(recipients[start : start + MAX_RECIPIENTS])
                groups.setdefault(key, (hop, []))[1].append(Job(message, part, rule))
    yield from groups.values()


def outgoing(job: Job, content: SpoolReader) -> OutgoingMail:
    """The envelope for the next host."""
    envelope, message = job.message.envelope, job.message
    # The queue knows the size of the whole file; Return-Path (with its line end) stays here.
    skipped = message.content_offset + 1 if message.content_offset else 0
    return OutgoingMail(
        sender=envelope.sender,
        recipients=list(dict.fromkeys(leased.recipient for leased in job.recipients)),
        size=max(message.size - skipped, 0),
        body_8bit=envelope.body_8bit,
        needs_smtputf8=envelope.smtputf8 and not _header_is_ascii(content),
        ret=envelope.ret,
        envid=envelope.envid,
    )


def deferred(job: Job, reply: Reply) -> list[Outcome]:
    """The same words for all of it."""
    return [Deferred(leased.recipient, "none", reply) for leased in job.recipients]


def _header_is_ascii(content: SpoolReader) -> bool:
    first = next(content.disk_chunks(HEADER_BYTES), b"")
    return first.partition(b"\n\n")[0].isascii()
