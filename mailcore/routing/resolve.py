"""From a recipient to its routes: qualify, rewrite, classify the domain, expand.

Pure, given a Snapshot and a Directory. Knows nothing of who asks: whether a client may have mail relayed is decided by
mailcore.policy, which looks at `Routes.destination`. The next hop is not chosen here but when the mail is due.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.address import Address
from mailcore.config.snapshot import Snapshot
from mailcore.directory.lookups import Directory
from mailcore.envelope import Recipient
from mailcore.errors import ExpansionError
from mailcore.reply import Reply
from mailcore.routing.expand import Expansion, Member, expand
from mailcore.routing.lists import Lists
from mailcore.routing.rewrite import RECIPIENT, localise, qualify, rewrite
from mailcore.routing.route import ELSEWHERE, LOCAL, RELAY, Local, Refused, Relay, Routes

UNKNOWN_USER = Reply(550, "5.1.1", "Recipient address rejected: user unknown")
DISABLED_USER = Reply(550, "5.2.1", "Recipient address rejected: mailbox disabled")
DISABLED_DOMAIN = Reply(550, "5.1.2", "Recipient address rejected: domain disabled")
ALIAS_LOOP = Reply(550, "5.4.6", "Recipient address rejected: alias loop")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the client asked for this recipient (RFC 3461)."""

    notify: frozenset[str] = frozenset()
    orcpt: str = ""


NO_WISHES = Wishes()


def resolve(
    address: Address,
    sender: Address | None,
    snapshot: Snapshot,
    directory: Directory,
    *,
    wishes: Wishes = NO_WISHES,
    lists: Lists | None = None,
) -> Routes:
    """The routes of `address`. Raises DirectoryUnavailable: then nobody knows, and the mail has to wait.

    `sender` makes no difference to the routes of today's rules; it belongs to the question.
    """
    target = rewrite(qualify(address, snapshot), RECIPIENT, snapshot)
    target = localise(target, snapshot)
    recipient = Recipient(target, address if address.domain else target, wishes.notify, wishes.orcpt)
    record = snapshot.domains.get(target.domain_key)
    if record is None:
        return _not_ours(recipient, snapshot)
    destination = RELAY if record.kind == "relay" else LOCAL
    if not record.enabled:
        refused = Refused(recipient, "refuse_disabled_domain", DISABLED_DOMAIN, f"{record.name} is disabled")
        return Routes(recipient, destination, refused=refused)
    try:
        expansion = expand(target, snapshot, directory, lists)
    except ExpansionError as error:
        return Routes(recipient, destination, refused=Refused(recipient, "refuse_alias_loop", ALIAS_LOOP, str(error)))
    return _routes(recipient, destination, expansion)


def _not_ours(recipient: Recipient, snapshot: Snapshot) -> Routes:
    """Another host's mail; but what names this very host, and no domain of it, would only come back."""
    if recipient.address.domain_key in (snapshot.myhostname, "localhost"):
        reason = f"{recipient.address.domain_key} names this host, but is no domain of it"
        return Routes(recipient, LOCAL, refused=Refused(recipient, "refuse_unknown_user", UNKNOWN_USER, reason))
    return Routes(recipient, ELSEWHERE, remote=(Relay(recipient),))


def _routes(recipient: Recipient, destination: str, expansion: Expansion) -> Routes:
    local: list[Local] = []
    remote: list[Relay] = []
    lost: list[Refused] = []
    for member in expansion.members.values():
        to = recipient
        if member.address != recipient.address:
            to = Recipient(member.address, recipient.original, recipient.notify, recipient.orcpt)
        route = _route(to, member)
        if isinstance(route, Local):
            local.append(route)
        elif isinstance(route, Relay):
            remote.append(route)
        else:
            lost.append(route)
    if lost and not local and not remote:
        return Routes(recipient, destination, refused=lost[0], targets=tuple(expansion.targets))
    # One dead member does not keep an alias from working: the queue finds out again and reports to the sender.
    remote += [Relay(refused.recipient) for refused in lost]
    return Routes(recipient, destination, tuple(local), tuple(remote), targets=tuple(expansion.targets))


def _route(recipient: Recipient, member: Member) -> Local | Relay | Refused:
    account = member.account
    if account is not None and account.enabled:
        return Local(recipient, account.ref, account.used_bytes, account.used_messages)
    if account is not None:
        return Refused(recipient, "refuse_disabled_account", DISABLED_USER, f"{account.address} is disabled")
    if member.problem:
        return Refused(recipient, "refuse_unknown_user", UNKNOWN_USER, f"{member.address}: {member.problem}")
    return Relay(recipient)
