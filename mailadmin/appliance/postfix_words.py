"""What is configured here, said in the words of main.cf: for people who know Postfix, and for comparing two servers."""

from collections.abc import Iterable

from mailadmin.directory.models import Domain
from mailadmin.transport.models import MyNetwork, RelayHost, SenderRewrite, ServerSettings, TransportRule

# Ours, and Postfix's name for it.
PLAIN = {
    "myhostname": "myhostname",
    "mydomain": "mydomain",
    "myorigin": "myorigin",
    "inet_interfaces": "inet_interfaces",
    "mynetworks_style": "mynetworks_style",
    "message_size_limit": "message_size_limit",
    "recipient_delimiter": "recipient_delimiter",
    "smtpd_recipient_limit": "smtpd_recipient_limit",
    "hopcount_limit": "hopcount_limit",
    "client_connection_limit": "smtpd_client_connection_count_limit",
    "client_message_rate_limit": "smtpd_client_message_rate_limit",
    "smtp_tls_security_level": "smtp_tls_security_level",
    "destination_concurrency_limit": "default_destination_concurrency_limit",
}
IN_SECONDS = ("minimal_backoff_time", "maximal_backoff_time", "maximal_queue_lifetime", "delay_warning_time")


def parameters() -> dict[str, str]:
    """Every parameter that has a counterpart here, with its value, by name."""
    settings = ServerSettings.objects.select_related("relayhost").get(id=1)
    found = {theirs: str(getattr(settings, ours)) for ours, theirs in PLAIN.items()}
    found |= {name: f"{getattr(settings, name)}s" for name in IN_SECONDS}
    found["relayhost"] = _next_hop(settings.relayhost)
    found["smtpd_tls_auth_only"] = "yes" if settings.plaintext_auth == "never" else "no"
    # Postfix believes whoever reaches such a port; here it has to be one of the balancers.
    found["smtpd_upstream_proxy_protocol"] = "haproxy" if settings.haproxy_trusted_networks else ""
    found["mynetworks"] = " ".join(_network(network) for network in MyNetwork.objects.filter(enabled=True))
    found |= _domains()
    found |= _maps()
    return dict(sorted(found.items()))


def _domains() -> dict[str, str]:
    names: dict[str, list[str]] = {"local": [], "relay": [], "alias": []}
    for domain in Domain.objects.filter(enabled=True):
        names[domain.kind].append(domain.name)
    return {
        "mydestination": "$myhostname, localhost.$mydomain, localhost",
        "virtual_mailbox_domains": ", ".join(names["local"]),
        "relay_domains": ", ".join(names["relay"]),
        "virtual_alias_domains": ", ".join(names["alias"]),
    }


def _maps() -> dict[str, str]:
    """Tables as Postfix's inline: maps."""
    rules = list(TransportRule.objects.filter(enabled=True).select_related("relayhost"))
    rewrites = list(SenderRewrite.objects.filter(enabled=True))
    return {
        "transport_maps": _inline(
            (rule.match, f"smtp:{_next_hop(rule.relayhost)}") for rule in rules if rule.direction == "recipient"
        ),
        "sender_dependent_relayhost_maps": _inline(
            (rule.match, _next_hop(rule.relayhost) or "DUNNO") for rule in rules if rule.direction == "sender"
        ),
        "sender_canonical_maps": _inline(_pairs(rewrites, "sender")),
        "recipient_canonical_maps": _inline(_pairs(rewrites, "recipient")),
        "canonical_maps": _inline(_pairs(rewrites, "both")),
    }


def _pairs(rewrites: list[SenderRewrite], applies_to: str) -> list[tuple[str, str]]:
    return [(rewrite.pattern, rewrite.replacement) for rewrite in rewrites if rewrite.applies_to == applies_to]


def _inline(pairs: Iterable[tuple[str, str]]) -> str:
    entries = ", ".join(f"{{{key} = {value}}}" for key, value in pairs)
    return f"inline:{{ {entries} }}" if entries else ""


def _next_hop(relayhost: RelayHost | None) -> str:
    return relayhost.notation if relayhost else ""


def _network(network: MyNetwork) -> str:
    """main.cf wants IPv6 in brackets."""
    address, _, length = str(network.cidr).partition("/")
    return f"[{address}]/{length}" if ":" in address else f"{address}/{length}"
