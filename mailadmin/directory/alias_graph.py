"""What an alias leads to, seen from the form: loops, and local targets that nobody knows.

Works on the tables as they are, plus the one alias being edited. The running programs guard against loops by
themselves (mailcore.routing.expand); this is so that the person who makes one learns of it while still in the form.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from django.conf import settings

from mailadmin.directory.models import Account, Alias, Domain
from mailcore.errors import DirectoryUnavailable
from mailcore.routing.lists import FileLists

INCLUDE = ":include:"


def find_loop(address: str, targets: Sequence[str]) -> list[str]:
    """The way from `address` back to itself if it had these targets; [] when there is none.

    An alias may name itself when an account of that address exists: then it means "and a copy into the mailbox".
    """
    if is_account(address):
        targets = [target for target in targets if target != address]
    seen: set[str] = set()
    waiting: list[list[str]] = [[address, target] for target in targets]
    while waiting:
        path = waiting.pop()
        if path[-1] == address:
            return path
        if path[-1] in seen or is_account(path[-1]):
            continue
        seen.add(path[-1])
        waiting.extend([*path, target] for target in stored_targets(path[-1]))
    return []


def unknown_targets(targets: Iterable[str]) -> list[str]:
    """Targets in our local domains that are neither account, alias nor caught; and lists that cannot be read."""
    local = set(Domain.objects.filter(kind=Domain.Kind.LOCAL).values_list("name", flat=True))
    return [target for target in targets if not _is_known(target, local)]


def is_account(address: str) -> bool:
    return Account.objects.filter(address=address).exists()


def stored_targets(address: str) -> list[str]:
    """What the tables say about an address: its own alias, else the catch-all of its domain."""
    aliases = Alias.objects.filter(enabled=True)
    found = aliases.filter(address=address).first() or aliases.filter(address=f"@{address.rpartition('@')[2]}").first()
    return list(found.targets) if found else []


def lists_root() -> Path:
    """The folder below which the programs read lists."""
    return Path(settings.MAIL_HOME) / "lists"


def _is_readable_list(path: str) -> bool:
    try:
        FileLists(lists_root()).members(path)
    except DirectoryUnavailable:
        return False
    return True


def _is_known(target: str, local_domains: set[str]) -> bool:
    if target.startswith(INCLUDE):
        return _is_readable_list(target.removeprefix(INCLUDE))
    if target.rpartition("@")[2] not in local_domains:
        return True
    return is_account(target) or bool(stored_targets(target))
