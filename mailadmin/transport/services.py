"""What the panel and the API do alike with relay hosts and networks: named functions, explicit arguments."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from mailadmin.transport.models import RelayHost, ServerSettings, TlsLevel
from mailcore.secretbox import seal


def set_relay_password(relay_host: RelayHost, password: str) -> None:
    """Seal the password into the (not yet saved) relay host; an empty one removes it."""
    relay_host.sealed_password = seal(settings.SECRET_KEY, password) if password else ""


@transaction.atomic
def use_for_all_mail(relay_host: RelayHost, *, use: bool) -> bool:
    """Make this the relayhost of the server settings, or stop it being so. True when that changed something."""
    server = ServerSettings.objects.select_for_update().get(pk=1)
    if (server.relayhost_id == relay_host.pk) == use:
        return False
    server.relayhost = relay_host if use else None
    server.save(update_fields=["relayhost"])
    return True


def sends_password_in_the_clear(relay_host: RelayHost) -> bool:
    """A login without required TLS: whoever is on the way may strip STARTTLS and read the password."""
    return bool(relay_host.username) and relay_host.tls in (TlsLevel.NONE, TlsLevel.MAY)
