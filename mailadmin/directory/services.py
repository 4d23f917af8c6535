"""What the panel, the API and the appliance do alike with domains and accounts: named functions, explicit arguments."""

from __future__ import annotations

from django.db import transaction

from mailadmin.directory.models import Account, Alias, Domain

SYSTEM_ALIASES = ("postmaster", "abuse", "root")  # RFC 2142 section 5, RFC 5321 section 4.5.1, /etc/aliases


@transaction.atomic
def create_system_aliases(domain: Domain, target: str | None = None) -> list[Alias]:
    """postmaster, abuse and root of a local domain -> `target`, or else the first superuser. Existing ones stay."""
    target = target or first_superuser_address()
    if domain.kind != Domain.Kind.LOCAL or target is None:
        return []
    made = []
    for name in SYSTEM_ALIASES:
        address = f"{name}@{domain.name}"
        if address == target or Account.objects.filter(address=address).exists():
            continue
        alias, created = Alias.objects.get_or_create(
            address=address, defaults={"domain": domain, "targets": [target], "is_system": True}
        )
        if created:
            made.append(alias)
    return made


def first_superuser_address() -> str | None:
    """Where the mail of system aliases goes unless somebody says otherwise."""
    superusers = Account.objects.filter(is_superuser=True, enabled=True).order_by("id")
    return superusers.values_list("address", flat=True).first()


@transaction.atomic
def save_domain(domain: Domain) -> Domain:
    """Save a new or changed domain; a local one gets its system aliases."""
    domain.save()
    create_system_aliases(domain)
    return domain
