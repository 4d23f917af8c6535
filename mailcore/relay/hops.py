"""The next hop of a queued recipient, asked when it is due: a changed relay host reaches mail that waits already."""

from __future__ import annotations

from functools import lru_cache

from mailcore.address import Address
from mailcore.config.snapshot import NextHop, Snapshot
from mailcore.errors import AddressSyntaxError
from mailcore.log import get_logger
from mailcore.routing.rewrite import localise

LOCAL_KEY = "local"

log = get_logger(__name__)


def hop_of(address: Address, sender: Address | None, snapshot: Snapshot) -> NextHop | None:
    """Where mail for this recipient goes next; None: into a mailbox here."""
    target = localise(address, snapshot)
    record = snapshot.domains.get(target.domain_key)
    if record is not None and record.kind != "relay":
        return None
    return snapshot.next_hop(target, sender)


class HopKeys:
    """What recipients with the same next hop have in common, for one Snapshot; remembers the last few thousand."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._key = lru_cache(maxsize=8192)(self._compute)

    def __call__(self, address: str, sender: str) -> str:
        # Without rules for senders all senders are alike, and the cache is asked about the recipient only.
        return self._key(address, sender if self.snapshot.sender_rules else "")

    def _compute(self, address: str, sender: str) -> str:
        try:
            hop = hop_of(Address.parse(address), Address.parse(sender) if sender else None, self.snapshot)
        except AddressSyntaxError:
            return LOCAL_KEY  # fails there, with a report
        except Exception:
            # The worker meets the same error, and its attempts are counted; here it would stop the whole queue.
            log.exception("next_hop_failed", recipient=address)
            return LOCAL_KEY
        return hop.key if hop else LOCAL_KEY
