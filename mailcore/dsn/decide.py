"""Is a report due? RFC 3461 sections 4.1 and 5, RFC 5321 section 4.5.5. Pure.

A message with the null sender never causes a report, whatever it asks for: reports about reports would go on for ever.
"""

from __future__ import annotations

from enum import StrEnum

from mailcore.address import Address
from mailcore.envelope import Recipient


class Action(StrEnum):
    """The Action field of RFC 3464 section 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


_WISH = {
    Action.FAILED: "FAILURE",
    Action.DELAYED: "DELAY",
    Action.DELIVERED: "SUCCESS",
    Action.RELAYED: "SUCCESS",
}
# Without NOTIFY the sender hears of what went wrong, not of what went well.
_BY_DEFAULT = frozenset({Action.FAILED, Action.DELAYED})


def is_due(action: Action, sender: Address | None, recipient: Recipient) -> bool:
    """Whether `sender` is to be told that this happened to its mail for `recipient`."""
    if sender is None or "NEVER" in recipient.notify:
        return False
    if not recipient.notify:
        return action in _BY_DEFAULT
    return _WISH[action] in recipient.notify
