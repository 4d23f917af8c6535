"""CANCELUPDATE: its value and arguments (RFC 5267 section 5)."""

from __future__ import annotations

from dataclasses import dataclass

from accessd.imap.command import Command
from accessd.imap.grammar.tokens import Scanner


@dataclass(frozen=True, slots=True)
class CancelUpdate(Command):
    """CANCELUPDATE; `tags` are those of the commands whose results were followed."""

    tags: tuple[bytes, ...]


def cancel_update(scanner: Scanner) -> Command:
    """CANCELUPDATE "tag" ..."""
    tags: list[bytes] = []
    while not scanner.at_end() or not tags:
        scanner.space()
        tags.append(scanner.string())
    return CancelUpdate(tuple(tags))
