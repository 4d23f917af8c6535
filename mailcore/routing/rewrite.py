"""Canonical rewriting and our own names: an address as it is meant.

Pure. Done once per address, before anything is looked up: names without a domain get myorigin, the names of this host
stand for mydomain, and rewriting rules (Postfix: canonical_maps) replace an address or a whole domain, once, the most
exact rule first.
"""

from __future__ import annotations

import ipaddress

from mailcore.address import Address, parse_literal
from mailcore.config.snapshot import Snapshot
from mailcore.errors import AddressSyntaxError

SENDER, RECIPIENT = "sender", "recipient"


def qualify(address: Address, snapshot: Snapshot) -> Address:
    """`address` with a domain: myorigin when it has none, ours when it names this host."""
    if not address.domain:
        return localise(Address(address.local, snapshot.myorigin), snapshot)
    return localise(address, snapshot)


def localise(address: Address, snapshot: Snapshot) -> Address:
    """Mail for a name of this host is mail for mydomain (or myorigin, where mydomain is not a domain of ours)."""
    if address.domain_key in snapshot.domains or not is_own_name(address, snapshot):
        return address
    for domain in (snapshot.mydomain, snapshot.myorigin):
        if domain in snapshot.domains:
            return Address(address.local, domain)
    return Address(address.local, snapshot.mydomain)


def account_key(address: Address, snapshot: Snapshot) -> str:
    """The key of the account that `address` would belong to: alias domain resolved, detail taken off."""
    address, _ = localise(address, snapshot).split_detail(snapshot.recipient_delimiter)
    record = snapshot.domains.get(address.domain_key)
    if record is not None and record.kind == "alias":
        address = Address(address.local, record.alias_of)
    return address.key


def is_own_name(address: Address, snapshot: Snapshot) -> bool:
    """$myhostname, localhost, localhost.$mydomain, myorigin, mydomain, or an address literal of this host."""
    domain = address.domain_key
    if domain.startswith("["):
        return _is_own_literal(domain, snapshot)
    names = {snapshot.myhostname, "localhost", f"localhost.{snapshot.mydomain}", snapshot.myorigin, snapshot.mydomain}
    return domain in names


def _is_own_literal(domain: str, snapshot: Snapshot) -> bool:
    try:
        literal = parse_literal(domain)
    except AddressSyntaxError:
        return False
    if literal.is_loopback:
        return True
    own = {word.strip("[]") for word in snapshot.inet_interfaces.replace(",", " ").split()}
    return literal in {_ip(word) for word in own}


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def rewrite(address: Address, applies_to: str, snapshot: Snapshot) -> Address:
    """`address` after the most exact canonical rule: the address, the address without its detail, "@domain"."""
    if not snapshot.rewrites:
        return address
    base, detail = address.split_detail(snapshot.recipient_delimiter)
    for key in (address.key, base.key, f"@{address.domain_key}"):
        rule = snapshot.rewrites.get(key)
        if rule is not None and rule.applies_to in (applies_to, "both"):
            keep_detail = detail if key == base.key and base is not address else ""
            return _replaced(address, rule.replacement, keep_detail, snapshot)
    return address


def _replaced(address: Address, replacement: str, detail: str, snapshot: Snapshot) -> Address:
    if replacement.startswith("@"):
        return Address(address.local, replacement[1:])
    new = Address.parse(replacement)
    return Address(f"{new.local}{snapshot.recipient_delimiter[:1]}{detail}", new.domain) if detail else new
