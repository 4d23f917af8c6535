"""Alias expansion: from one address to the accounts and foreign addresses it stands for (RFC 5321 section 3.9.1).

Pure: looks up through the Directory and Lists it is given. For each address of ours the first of these counts: alias
or account of the address, of the address without its detail ("user+tag"), the same at the domain an alias domain stands
for, the catch-all. An alias that names itself means its own account. Promises: no duplicates, every cycle ends, and no
more than MAX_DEPTH levels and MAX_TARGETS addresses are followed (ExpansionError).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mailcore.address import Address
from mailcore.config.snapshot import Snapshot
from mailcore.directory.lookups import AccountRecord, AliasRecord, Directory
from mailcore.errors import AddressSyntaxError, DirectoryUnavailable, ExpansionError
from mailcore.routing.lists import PREFIX, Lists
from mailcore.routing.rewrite import qualify

MAX_DEPTH = 20
MAX_TARGETS = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """An end of the expansion: an account, a foreign address (no account), or nobody (`problem` says why)."""

    address: Address
    account: AccountRecord | None = None
    problem: str = ""


@dataclass(slots=True)
class Expansion:
    """The ends found so far, by account and by address; `targets` are those that came from an alias."""

    snapshot: Snapshot
    directory: Directory
    lists: Lists | None
    members: dict[str, Member] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    followed: int = 0


def expand(address: Address, snapshot: Snapshot, directory: Directory, lists: Lists | None = None) -> Expansion:
    """Everything `address` (qualified, rewritten) stands for. Raises ExpansionError and DirectoryUnavailable."""
    expansion = Expansion(snapshot, directory, lists)
    _visit(address, frozenset(), expansion)
    if not expansion.members:
        raise ExpansionError(f"{address} leads only to itself")
    return expansion


def _visit(address: Address, above: frozenset[str], expansion: Expansion) -> None:
    """Add what `address` stands for. `above` are the aliases that led here."""
    found, disabled = None, False
    for at, key in _candidates(address, expansion.snapshot):
        entry = expansion.directory.entry(key)
        if entry.alias is not None and key not in above:
            if entry.alias.enabled:
                _follow(entry.alias, above | {key}, expansion)
                return
            disabled = True
            break
        if entry.account is not None:
            found = Member(at, entry.account)
            break
        if entry.alias is not None and not key.startswith("@"):
            return  # a cycle: whoever it leads to is found where it began
    _add(found or _end(address, expansion.snapshot, disabled=disabled), expansion)


def _end(address: Address, snapshot: Snapshot, *, disabled: bool) -> Member:
    record = snapshot.domains.get(address.domain_key)
    if disabled:
        return Member(address, problem="disabled alias")
    if record is None or record.kind == "relay":
        return Member(address)
    return Member(address, problem="unknown user")


def _add(member: Member, expansion: Expansion) -> None:
    if member.account is not None:
        expansion.members.setdefault(f"account {member.account.ref.id}", member)
    else:
        expansion.members.setdefault(member.address.key, member)


def _candidates(address: Address, snapshot: Snapshot) -> Iterator[tuple[Address, str]]:
    """The look-ups for `address` in order: (the address it would be, the key)."""
    record = snapshot.domains.get(address.domain_key)
    if record is None:
        return
    forms = [address]
    if record.kind == "alias":
        forms.append(Address(address.local, record.alias_of))
    for form in forms:
        yield form, form.key
        base, detail = form.split_detail(snapshot.recipient_delimiter)
        if detail or base is not form:
            yield form, base.key
    for form in forms:
        if is_postmaster(form):
            yield form, f"postmaster@{snapshot.mydomain}"
    for form in forms:
        yield form, f"@{form.domain_key}"


def is_postmaster(address: Address) -> bool:
    """The mailbox every host must have (RFC 5321 section 4.5.1)."""
    return address.local.lower() == "postmaster"


def _follow(alias: AliasRecord, above: frozenset[str], expansion: Expansion) -> None:
    if len(above) > MAX_DEPTH:
        raise ExpansionError(f"{alias.address} is more than {MAX_DEPTH} aliases deep")
    for text in _flattened(alias.targets, expansion.lists):
        expansion.followed += 1
        if expansion.followed > MAX_TARGETS:
            raise ExpansionError(f"{alias.address} leads to more than {MAX_TARGETS} addresses")
        target = _target(text, alias, expansion.snapshot)
        if text not in expansion.targets:
            expansion.targets.append(text)
        _visit(target, above, expansion)


def _flattened(targets: tuple[str, ...], lists: Lists | None) -> Iterator[str]:
    for text in targets:
        if not text.startswith(PREFIX):
            yield text
        elif lists is None:
            raise DirectoryUnavailable(f"{text} cannot be read here")
        else:
            yield from lists.members(text[len(PREFIX) :])


def _target(text: str, alias: AliasRecord, snapshot: Snapshot) -> Address:
    try:
        address = Address.parse(text) if "@" in text else Address(text, "")
        return qualify(address, snapshot)
    except AddressSyntaxError as error:
        # A mistake of the administrator, not of the sender: mail waits until it is mended.
        raise DirectoryUnavailable(f"alias {alias.address} has the target {text!r}: {error}") from error
