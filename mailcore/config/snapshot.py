"""The configuration as one immutable value: the small tables, read together.

Running transactions keep the Snapshot they began with. Accounts and aliases are many and stay in PostgreSQL
(mailcore.directory).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from mailcore.address import Address

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """A domain of ours; `kind` is "local", "relay" or "alias" (then `alias_of` names a local one)."""

    name: str
    kind: str
    alias_of: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where mail goes: `host` itself, or its MX records. `host` is the recipient's domain when nothing else is set."""

    host: str
    port: int = 25
    lookup_mx: bool = True
    tls: str = "may"
    username: str = ""
    sealed_password: str = ""
    rule: str = "mx"

    @property
    def key(self) -> str:
        """Messages with equal keys may share a connection."""
        return f"{self.username}|{self.notation}|{self.tls}"

    @property
    def notation(self) -> str:
        """In Postfix's notation."""
        return f"{self.host}:{self.port}" if self.lookup_mx else f"[{self.host}]:{self.port}"


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """Canonical rewriting of an address or "@domain"; applies_to is "sender", "recipient" or "both"."""

    pattern: str
    replacement: str
    applies_to: str = "both"


@dataclass(frozen=True, slots=True)
class OauthIssuer:
    """Who issues access tokens; `jwks` is a JWK set as text for an issuer that publishes none at `jwks_url`."""

    issuer: str
    audience: str
    jwks_url: str = ""
    jwks: str = ""
    address_claim: str = "email"


@dataclass(frozen=True)
class NetworkSet:
    """Networks, asked by client address."""

    networks: tuple[IPNetwork, ...] = ()
    _known: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def __contains__(self, address: object) -> bool:
        text = str(address)
        known = self._known.get(text)
        if known is None:
            if len(self._known) > 10_000:  # bounded against strangers from everywhere
                self._known.clear()
            known = self._known[text] = self._look(text)
        return known

    def _look(self, text: str) -> bool:
        try:
            address = plain_address(text)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self.networks)


def plain_address(text: str) -> IPAddress:
    """An IP address; an IPv4 client of an IPv6 socket ("::ffff:192.0.2.1") is an IPv4 client. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


@dataclass(frozen=True)
class Snapshot:
    """Everything that rarely changes. The field names are Postfix's or Dovecot's where these have one."""

    generation: int = 0
    myhostname: str = "localhost.localdomain"
    mydomain: str = "localdomain"
    myorigin: str = "localdomain"
    inet_interfaces: str = "all"
    message_size_limit: int = 50 * 1024 * 1024
    recipient_delimiter: str = "+"
    plaintext_auth: str = "never"
    smtpd_recipient_limit: int = 1000
    hopcount_limit: int = 50
    client_connection_limit: int = 50
    client_message_rate_limit: int = 0
    account_connection_limit: int = 50
    address_connection_limit: int = 200
    login_delay: int = 0
    auth_failure_limit: int = 20
    literal_minus: bool = False
    minimal_backoff_time: int = 300
    maximal_backoff_time: int = 4000
    maximal_queue_lifetime: int = 432_000
    delay_warning_time: int = 14_400
    smtp_tls_security_level: str = "may"
    destination_concurrency_limit: int = 20
    domains: Mapping[str, DomainRecord] = field(default_factory=dict)
    mynetworks: NetworkSet = field(default_factory=NetworkSet)
    haproxy_trusted_networks: NetworkSet = field(default_factory=NetworkSet)
    relayhost: NextHop | None = None
    recipient_rules: Mapping[str, NextHop | None] = field(default_factory=dict)
    sender_rules: Mapping[str, NextHop | None] = field(default_factory=dict)
    rewrites: Mapping[str, RewriteRule] = field(default_factory=dict)
    oauth_issuers: tuple[OauthIssuer, ...] = ()

    def next_hop(self, recipient: Address, sender: Address | None) -> NextHop:
        """Transport rule of the recipient, else of the sender, else relayhost, else the MX of the domain."""
        for rules, address in ((self.recipient_rules, recipient), (self.sender_rules, sender)):
            if address is not None and rules:
                for key in match_keys(address):
                    if key in rules:
                        return rules[key] or self._by_mx(recipient, key)
        return self.relayhost or self._by_mx(recipient, "mx")

    def _by_mx(self, recipient: Address, rule: str) -> NextHop:
        return NextHop(recipient.domain_key, 25, True, self.smtp_tls_security_level, rule=rule)


def match_keys(address: Address) -> list[str]:
    """What a transport rule may be called for this address, most exact first: address, domain, .parents, "*"."""
    domain = address.domain_key
    labels = domain.split(".")
    parents = ["." + ".".join(labels[n:]) for n in range(1, len(labels))]
    return [address.key, domain, *parents, "*"]


def plaintext_allowed(snapshot: Snapshot, client_ip: str, *, tls: bool) -> bool:
    """May this client send a password over this connection?"""
    return tls or (snapshot.plaintext_auth == "mynetworks" and client_ip in snapshot.mynetworks)
