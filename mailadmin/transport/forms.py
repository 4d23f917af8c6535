"""Forms of networks, relay hosts, rules and settings, in the notation a Postfix administrator types."""

from __future__ import annotations

import ipaddress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from unfold.widgets import (
    UnfoldAdminPasswordToggleWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from mailadmin.directory.form_fields import DurationField, LinesField, SizeField
from mailadmin.directory.validators import validate_account_address
from mailadmin.transport.fields import parse_network
from mailadmin.transport.models import (
    MyNetwork,
    RelayHost,
    SenderRewrite,
    ServerSettings,
    TlsLevel,
    TransportRule,
)
from mailadmin.transport.open_relay import is_open_relay
from mailadmin.transport.postfix_notation import NextHopNotation, NotationError, parse_next_hop
from mailadmin.transport.validators import validate_balancer
from mailcore.address import Address, AddressSyntaxError, parse_domain


class MyNetworkForm(forms.ModelForm):
    """A trusted network. One that lets strangers relay is refused until it is repeated by hand."""

    class Meta:
        model = MyNetwork
        fields = ("cidr", "note", "enabled", "open_relay_confirmation")

    def clean_cidr(self) -> str:
        return parse_network(self.cleaned_data["cidr"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        cidr = cleaned.get("cidr")
        if not cidr or not cleaned.get("enabled") or not is_open_relay(cidr):
            return cleaned
        if cleaned.get("open_relay_confirmation", "").strip() != cidr:
            self.add_error("open_relay_confirmation", danger(cidr))
        cleaned["open_relay_confirmation"] = cleaned.get("open_relay_confirmation", "").strip()
        return cleaned


def danger(cidr: str) -> ValidationError:
    """What would happen if this network were trusted."""
    size = ipaddress.ip_network(cidr).num_addresses
    crowd = f"{size:,} addresses" if size <= 1 << 32 else "a large part of the internet"
    return ValidationError(
        format_html(
            "{} is an open relay: {} could send any mail to anywhere through this server without logging in. Spammers "
            "find such a server within hours, and other servers will refuse its mail for weeks. To trust the network "
            "all the same, type <code>{}</code> here.",
            cidr,
            crowd,
            cidr,
        ),
        code="open_relay",
    )


class RelayHostForm(forms.ModelForm):
    """A relay host: one line of Postfix notation, how it is protected, and a login."""

    next_hop = forms.CharField(
        label="Next hop",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "[smtp.example.org]:587"}),
        help_text="As in Postfix: <code>[host]:587</code> is this very host, <code>host</code> or "
        "<code>host:port</code> are its MX records, <code>[2001:db8::1]:25</code> an IPv6 address.",
    )
    password = forms.CharField(
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordToggleWidget(attrs={"autocomplete": "new-password"}),
        help_text="Stored sealed and never shown again. Leave empty to keep the present one.",
    )

    for_all_mail = forms.BooleanField(
        label="Use for all outbound mail",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Makes this the relayhost of the server settings (Postfix: <code>relayhost</code>). "
        "Transport rules go first.",
    )

    class Meta:
        model = RelayHost
        fields = ("tls", "username", "note")
        labels = {"tls": "TLS", "username": "User name"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            here = NextHopNotation(self.instance.host, self.instance.port, self.instance.lookup_mx)
            self.initial.setdefault("next_hop", str(here))
            in_use = ServerSettings.objects.filter(relayhost=self.instance).exists()
            self.initial.setdefault("for_all_mail", in_use)

    def clean_next_hop(self) -> NextHopNotation:
        try:
            return parse_next_hop(self.cleaned_data["next_hop"])
        except NotationError as error:
            raise ValidationError(str(error), code="invalid") from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        hop: NextHopNotation | None = cleaned.get("next_hop")
        if hop is not None:
            self.instance.host, self.instance.port, self.instance.lookup_mx = (
                hop.host,
                hop.port,
                hop.lookup_mx,
            )
            if hop.implicit_tls:
                self.instance.tls = cleaned["tls"] = TlsLevel.IMPLICIT
            self._check_unique(hop, cleaned.get("username", ""))
        self._check_login(cleaned)
        return cleaned

    def _check_unique(self, hop: NextHopNotation, username: str) -> None:
        """The constraint's columns are not fields of this form, so Django does not look by itself."""
        same = RelayHost.objects.filter(
            host__iexact=hop.host, port=hop.port, lookup_mx=hop.lookup_mx, username=username
        ).exclude(pk=self.instance.pk)
        if same.exists():
            self.add_error("next_hop", "This relay host with this user name exists already.")

    def _check_login(self, cleaned: dict[str, Any]) -> None:
        username, password = cleaned.get("username"), cleaned.get("password")
        if password and not username:
            self.add_error("username", "A password needs a user name.")
        if username and not password and not self.instance.sealed_password:
            self.add_error("password", "Give the password of this user.")


class TransportRuleForm(forms.ModelForm):
    """Which mail goes where; a new relay host may be typed in Postfix notation on the spot."""

    class Meta:
        model = TransportRule
        fields = ("match", "direction", "relayhost", "enabled", "note")

    def clean_match(self) -> str:
        return normalise_match(self.cleaned_data["match"])


class SenderRewriteForm(forms.ModelForm):
    """One address, or a whole domain, written differently."""

    class Meta:
        model = SenderRewrite
        fields = ("pattern", "replacement", "applies_to", "enabled")

    def clean_pattern(self) -> str:
        return normalise_pattern(self.cleaned_data["pattern"])

    def clean_replacement(self) -> str:
        return normalise_pattern(self.cleaned_data["replacement"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("pattern") and cleaned.get("pattern") == cleaned.get("replacement"):
            self.add_error("replacement", "That is the same address.")
        return cleaned


def check_balancer(typed: str) -> None:
    """A network as it is typed."""
    validate_balancer(parse_network(typed))


class ServerSettingsForm(forms.ModelForm):
    """Identity and limits; sizes and times with units."""

    message_size_limit = SizeField(help_text="")
    minimal_backoff_time = DurationField(label="First retry after")
    maximal_backoff_time = DurationField(label="Longest pause between retries")
    maximal_queue_lifetime = DurationField(label="Returned to the sender after")
    delay_warning_time = DurationField(label="Delay warning after", required=False)
    haproxy_trusted_networks = LinesField(label="Balancers", required=False, item_validator=check_balancer)

    class Meta:
        model = ServerSettings
        exclude = ("id",)
        labels = {
            "myhostname": "Host name",
            "mydomain": "Domain",
            "myorigin": "Origin",
            "inet_interfaces": "Interfaces",
            "mynetworks_style": "Style of my networks",
            "plaintext_auth": "Passwords without TLS",
            "smtpd_recipient_limit": "Recipients per message",
            "hopcount_limit": "Hop limit",
            "client_connection_limit": "Connections per client",
            "client_message_rate_limit": "Messages per client and minute",
            "account_connection_limit": "Connections per account",
            "address_connection_limit": "Connections per address",
            "login_delay": "POP3 login delay",
            "auth_failure_limit": "Wrong passwords per minute",
            "literal_minus": "LITERAL- instead of LITERAL+",
            "relayhost": "Relay host",
            "smtp_tls_security_level": "TLS towards other servers",
            "destination_concurrency_limit": "Connections per destination",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (
            "message_size_limit",
            "minimal_backoff_time",
            "maximal_backoff_time",
            "maximal_queue_lifetime",
            "delay_warning_time",
            "haproxy_trusted_networks",
        ):
            if name in self.fields:
                self.fields[name].help_text = ServerSettings._meta.get_field(name).help_text

    def clean_delay_warning_time(self) -> int:
        return self.cleaned_data["delay_warning_time"] or 0

    def clean_haproxy_trusted_networks(self) -> list[str]:
        return [parse_network(typed) for typed in self.cleaned_data["haproxy_trusted_networks"]]

    def clean_inet_interfaces(self) -> str:
        typed = self.cleaned_data["inet_interfaces"].strip()
        if typed in ("all", "loopback-only"):
            return typed
        parts = [part for part in typed.replace(",", " ").split() if part]
        for part in parts:
            try:
                ipaddress.ip_address(part.strip("[]"))
            except ValueError:
                raise ValidationError(f"“{part}” is not an address; write all, loopback-only or addresses.") from None
        return ", ".join(part.strip("[]") for part in parts)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        shortest, longest = cleaned.get("minimal_backoff_time"), cleaned.get("maximal_backoff_time")
        if shortest and longest and longest < shortest:
            self.add_error("maximal_backoff_time", "The longest pause must not be shorter than the first one.")
        return cleaned


class RouteTestForm(forms.Form):
    """Which way would mail to this address go?"""

    recipient = forms.CharField(
        label="Recipient",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "somebody@example.org", "autofocus": True}),
    )
    sender = forms.CharField(
        label="Sender",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "optional, for rules by sender"}),
    )

    def clean_recipient(self) -> str:
        return self._address("recipient")

    def clean_sender(self) -> str:
        return self._address("sender") if self.cleaned_data["sender"] else ""

    def _address(self, name: str) -> str:
        typed: str = self.cleaned_data[name].strip().removeprefix("<").removesuffix(">")
        validate_account_address(typed)
        return typed


def normalise_match(typed: str) -> str:
    """`*`, domain, `.domain` or address, as it is stored."""
    text = typed.strip()
    if text == "*":
        return text
    try:
        if "@" in text:
            return Address.parse(text).key
        return ("." if text.startswith(".") else "") + parse_domain(text.removeprefix("."))
    except AddressSyntaxError as error:
        raise ValidationError(str(error), code="invalid") from error


def normalise_pattern(typed: str) -> str:
    """An address or `@domain`, as it is stored."""
    text = typed.strip()
    try:
        return f"@{parse_domain(text[1:])}" if text.startswith("@") else Address.parse(text).key
    except AddressSyntaxError as error:
        raise ValidationError(str(error), code="invalid") from error
