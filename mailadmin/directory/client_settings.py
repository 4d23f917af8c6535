"""What a mail client and a domain's DNS need to know: shown on the pages of accounts and domains.

Ports are those of settings.MAIL_PORTS (0 = that service is off). Record types: MX RFC 5321 section 5, SPF RFC 7208,
DMARC RFC 7489, SRV names RFC 6186 and RFC 8314.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from mailadmin.directory.models import Account
from mailcore.config.snapshot import Snapshot

STARTTLS = "STARTTLS"
IMPLICIT = "SSL/TLS"


@dataclass(frozen=True, slots=True)
class ClientService:
    """One line of the account settings of a mail client."""

    protocol: str
    purpose: str
    server: str
    port: int
    security: str
    recommended: bool = False
    srv: str = ""


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record to set, as in a zone file, and why."""

    name: str
    type: str
    value: str
    why: str

    @property
    def zone_line(self) -> str:
        return f"{self.name}. IN {self.type} {self.value}"


# (protocol, purpose, name in MAIL_PORTS, security, recommended, SRV service)
SERVICES = (
    ("IMAP", "reading", "imaps", IMPLICIT, True, "_imaps"),
    ("IMAP", "reading", "imap", STARTTLS, False, "_imap"),
    ("POP3", "fetching", "pop3s", IMPLICIT, False, "_pop3s"),
    ("POP3", "fetching", "pop3", STARTTLS, False, "_pop3"),
    ("SMTP", "sending", "submissions", IMPLICIT, True, "_submissions"),
    ("SMTP", "sending", "submission", STARTTLS, False, "_submission"),
)


def client_services(server: str, account: Account | None = None) -> list[ClientService]:
    """The services that are on, and that this account may use."""
    allowed = {
        "IMAP": account is None or account.allow_imap,
        "POP3": account is None or account.allow_pop3,
        "SMTP": account is None or account.allow_smtp,
    }
    return [
        ClientService(protocol, purpose, server, settings.MAIL_PORTS[name], security, recommended, srv)
        for protocol, purpose, name, security, recommended, srv in SERVICES
        if allowed[protocol] and settings.MAIL_PORTS[name]
    ]


def dns_records(domain: str, snapshot: Snapshot) -> list[DnsRecord]:
    """What the zone of a local domain should hold so that mail finds this server and is believed elsewhere, and so
    that mail clients find their settings.
    """
    return [
        *_mail_records(domain, snapshot),
        *_srv_records(domain, snapshot.myhostname),
        *_client_hosts(domain, snapshot),
    ]


def _mail_records(domain: str, snapshot: Snapshot) -> list[DnsRecord]:
    server = snapshot.myhostname
    spf = "v=spf1 mx -all" if snapshot.relayhost is None else f"v=spf1 mx a:{snapshot.relayhost.host} -all"
    return [
        DnsRecord(domain, "MX", f"10 {server}.", "Mail for this domain comes to this server."),
        DnsRecord(
            domain,
            "TXT",
            f'"{spf}"',
            "Only this server (and its relay host) sends mail for the domain (SPF).",
        ),
        DnsRecord(
            f"_dmarc.{domain}",
            "TXT",
            f'"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"',
            "Reports about mail that claims to come from the domain (DMARC).",
        ),
    ]


def _srv_records(domain: str, server: str) -> list[DnsRecord]:
    """One for each service; "." says that there is none (RFC 6186 section 3.4, RFC 2782)."""
    records = []
    for priority, (protocol, purpose, name, security, _, service) in enumerate(SERVICES):
        port = settings.MAIL_PORTS[name]
        value = f"{priority} 1 {port} {server}." if port else "0 0 0 ."
        why = f"{protocol} for {purpose}, {security}." if port else f"There is no {protocol} with {security} here."
        records.append(DnsRecord(f"{service}._tcp.{domain}", "SRV", value, why))
    return records


def _client_hosts(domain: str, snapshot: Snapshot) -> list[DnsRecord]:
    """Where clients ask for their settings: the host the panel is reached at."""
    host = urlsplit(settings.PUBLIC_URL).hostname or snapshot.myhostname
    return [
        DnsRecord(f"autoconfig.{domain}", "CNAME", f"{host}.", "Thunderbird and others find their settings."),
        DnsRecord(f"autodiscover.{domain}", "CNAME", f"{host}.", "Outlook finds its settings."),
    ]
