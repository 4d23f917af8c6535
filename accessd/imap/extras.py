"""What only some sessions need: of ten thousand idle ones none pays for it (docs/architecture.md, memory)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accessd.imap.notify import Notifier


@dataclass(slots=True)
class Extras:
    """One per session that uses any of it."""

    notifier: Notifier | None = None
    """What it has asked to be told of (NOTIFY, RFC 5465)."""
