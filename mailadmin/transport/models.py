"""Server identity, trusted networks, relay hosts, transport rules and address rewriting, in Postfix's words.

mailcore.config reads these tables into one immutable Snapshot. Triggers of the migrations announce every committed
change, whoever made it, so the running programs follow within a second.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from mailadmin.transport.fields import CidrField
from mailadmin.transport.validators import validate_balancer, validate_hostname, validate_match, validate_rewrite


class TlsLevel(models.TextChoices):
    """How a connection to another server is protected (Postfix: smtp_tls_security_level)."""

    NONE = "none", "None: never TLS"
    MAY = "may", "May: STARTTLS when offered"
    ENCRYPT = "encrypt", "Encrypt: STARTTLS required"
    VERIFY = "verify", "Verify: STARTTLS and a valid certificate required"
    IMPLICIT = "implicit", "Implicit: TLS from the first byte (port 465), certificate verified"


class RelayHost(models.Model):
    """Another server that takes our mail. Used by the server settings and by transport rules."""

    host = models.CharField(
        max_length=253,
        validators=[validate_hostname],
        help_text="Name or address. In Postfix's notation <code>[host]:587</code> the brackets mean: no MX lookup.",
    )
    port = models.PositiveIntegerField(default=25, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    lookup_mx = models.BooleanField(
        "look up MX",
        default=False,
        help_text="Off is Postfix's <code>[host]</code>: this very host. On is <code>host</code>.",
    )
    tls = models.CharField(
        max_length=8,
        choices=TlsLevel,
        default=TlsLevel.MAY,
        help_text="Postfix: <code>smtp_tls_security_level</code>, <code>smtp_tls_wrappermode</code>.",
    )
    username = models.CharField(
        max_length=320,
        blank=True,
        help_text="Postfix: <code>smtp_sasl_password_maps</code>. Empty: no login.",
    )
    sealed_password = models.TextField(blank=True, editable=False)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "relay_host"
        ordering = ["host", "port"]
        constraints = [
            models.UniqueConstraint(
                Lower("host"),
                "port",
                "lookup_mx",
                "username",
                name="relay_host_unique",
                violation_error_message="This relay host with this user name exists already.",
            ),
            models.CheckConstraint(condition=Q(port__gte=1, port__lte=65535), name="relay_host_port_in_range"),
            models.CheckConstraint(condition=Q(tls__in=TlsLevel.values), name="relay_host_tls_known"),
        ]

    def __str__(self) -> str:
        return self.notation

    @property
    def notation(self) -> str:
        """Postfix's notation: `[host]:port`, or `host:port` when MX records are looked up."""
        return f"{self.host}:{self.port}" if self.lookup_mx else f"[{self.host}]:{self.port}"


class ServerSettings(models.Model):
    """The identity and limits of this server: one row."""

    class PlaintextAuth(models.TextChoices):
        NEVER = "never", "Never: passwords only over TLS"
        MYNETWORKS = "mynetworks", "My networks: trusted networks may log in without TLS"

    class NetworksStyle(models.TextChoices):
        HOST = "host", "host: this machine only"
        SUBNET = "subnet", "subnet: the networks of this machine's interfaces"
        CLASS = "class", "class: the class A/B/C networks of the interfaces"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    myhostname = models.CharField(
        max_length=253,
        validators=[validate_hostname],
        help_text="The full name of this server in HELO, banners and Received (Postfix: <code>myhostname</code>).",
    )
    mydomain = models.CharField(
        max_length=253,
        validators=[validate_hostname],
        help_text="The local internet domain (Postfix: <code>mydomain</code>).",
    )
    myorigin = models.CharField(
        max_length=253,
        validators=[validate_hostname],
        help_text="Appended to addresses without a domain, as cron sends them (Postfix: <code>myorigin</code>).",
    )
    inet_interfaces = models.CharField(
        max_length=400,
        default="all",
        help_text=(
            "Addresses that take mail: <code>all</code>, <code>loopback-only</code> or a comma separated list "
            "(Postfix: "
            "<code>inet_interfaces</code>). Clients arriving at another address of this machine are turned "
            "away with 421 "
            "at once; which sockets are opened is LISTEN_ADDRESS of the service."
        ),
    )
    mynetworks_style = models.CharField(
        max_length=8,
        choices=NetworksStyle,
        default=NetworksStyle.HOST,
        help_text="What the helper on the networks page proposes (Postfix: <code>mynetworks_style</code>).",
    )
    message_size_limit = models.BigIntegerField(
        default=50 * 1024 * 1024,
        validators=[MinValueValidator(64 * 1024)],
        help_text="Bytes; larger messages are refused with 552 5.3.4 (Postfix: <code>message_size_limit</code>).",
    )
    recipient_delimiter = models.CharField(
        max_length=4,
        blank=True,
        default="+",
        help_text="<code>user+anything@</code> reaches <code>user@</code> (Postfix: <code>recipient_delimiter</code>).",
    )
    plaintext_auth = models.CharField(
        max_length=10,
        choices=PlaintextAuth,
        default=PlaintextAuth.NEVER,
        help_text=(
            "Where SMTP, IMAP and POP3 take a password without TLS (Postfix: <code>smtpd_tls_auth_only</code>, "
            "Dovecot: <code>disable_plaintext_auth</code>)."
        ),
    )
    haproxy_trusted_networks = ArrayField(
        CidrField(validators=[validate_balancer]),
        default=list,
        blank=True,
        help_text=(
            "Load balancers, one address or network per line, that may connect to the PROXY ports and are believed "
            "when they say who the client is (Dovecot: <code>haproxy_trusted_networks</code>, Postfix: "
            "<code>smtpd_upstream_proxy_protocol</code>). Which ports these are is SMTP_PROXY_PORT and so on of the "
            "service."
        ),
    )
    smtpd_recipient_limit = models.PositiveIntegerField(
        default=1000,
        validators=[MinValueValidator(100)],
        help_text=(
            "Recipients of one message; RFC 5321 demands at least 100 (Postfix: <code>smtpd_recipient_limit</code>)."
        ),
    )
    hopcount_limit = models.PositiveIntegerField(
        default=50,
        help_text="Received fields before a message counts as looping (Postfix: <code>hopcount_limit</code>).",
    )
    client_connection_limit = models.PositiveIntegerField(
        default=50,
        help_text=(
            "Simultaneous SMTP connections of one client address and process, 0 = no limit; my networks are exempt "
            "(Postfix: <code>smtpd_client_connection_count_limit</code>)."
        ),
    )
    client_message_rate_limit = models.PositiveIntegerField(
        default=0,
        help_text=(
            "Messages per minute of one client address, 0 = no limit; my networks are exempt "
            "(Postfix: <code>smtpd_client_message_rate_limit</code>)."
        ),
    )
    account_connection_limit = models.PositiveIntegerField(
        default=50,
        help_text=(
            "Simultaneous IMAP and POP3 connections of one account, 0 = no limit (Dovecot: "
            "<code>mail_max_userip_connections</code>, there for one account and address)."
        ),
    )
    address_connection_limit = models.PositiveIntegerField(
        default=200,
        help_text=(
            "Simultaneous IMAP and POP3 connections of one client address, 0 = no limit. A whole office may share one."
        ),
    )
    login_delay = models.PositiveIntegerField(
        default=0,
        help_text="Seconds between two POP3 logins of an account, 0 = none (RFC 2449: LOGIN-DELAY).",
    )
    auth_failure_limit = models.PositiveIntegerField(
        default=20,
        validators=[MinValueValidator(3)],
        help_text=(
            "Wrong passwords a minute from one network (IPv4 /24, IPv6 /56), over SMTP, IMAP, POP3 and web together, "
            "before it has to wait; names guessed at count too."
        ),
    )
    literal_minus = models.BooleanField(
        default=False,
        help_text=(
            "IMAP clients may send up to 4096 bytes without asking (LITERAL-) instead of any number (LITERAL+), "
            "RFC 7888."
        ),
    )
    minimal_backoff_time = models.PositiveIntegerField(
        default=300, help_text="Seconds before the first retry (Postfix: <code>minimal_backoff_time</code>)."
    )
    maximal_backoff_time = models.PositiveIntegerField(
        default=4000,
        help_text="Longest pause between retries, in seconds (Postfix: <code>maximal_backoff_time</code>).",
    )
    maximal_queue_lifetime = models.PositiveIntegerField(
        default=5 * 86400,
        help_text="Seconds after which undeliverable mail is returned (Postfix: <code>maximal_queue_lifetime</code>).",
    )
    delay_warning_time = models.PositiveIntegerField(
        default=4 * 3600,
        help_text=(
            "Seconds after which the sender is told of a delay, 0 = never (Postfix: <code>delay_warning_time</code>)."
        ),
    )
    smtp_tls_security_level = models.CharField(
        max_length=8,
        choices=[choice for choice in TlsLevel.choices if choice[0] != "implicit"],
        default=TlsLevel.MAY,
        help_text="For mail sent directly to other servers (Postfix: <code>smtp_tls_security_level</code>).",
    )
    destination_concurrency_limit = models.PositiveIntegerField(
        default=20,
        validators=[MinValueValidator(1)],
        help_text="Connections to one destination (Postfix: <code>default_destination_concurrency_limit</code>).",
    )
    relayhost = models.ForeignKey(
        RelayHost,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=(
            "Where all other outbound mail goes; empty: directly, by MX records (Postfix: <code>relayhost</code>)."
        ),
    )

    class Meta:
        db_table = "server_settings"
        verbose_name = "server settings"
        verbose_name_plural = "server settings"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="server_settings_one_row"),
            models.CheckConstraint(
                condition=Q(plaintext_auth__in=["never", "mynetworks"]),
                name="server_settings_plaintext_auth_known",
            ),
            models.CheckConstraint(
                condition=Q(minimal_backoff_time__gte=1)
                & Q(maximal_backoff_time__gte=models.F("minimal_backoff_time")),
                name="server_settings_backoff_in_order",
                violation_error_message="The longest pause must not be shorter than the first one.",
            ),
            models.CheckConstraint(condition=Q(hopcount_limit__gte=1), name="server_settings_hopcount_positive"),
            models.CheckConstraint(
                condition=Q(maximal_queue_lifetime__gte=1), name="server_settings_queue_lifetime_positive"
            ),
            models.CheckConstraint(
                condition=Q(message_size_limit__gte=65536),
                name="server_settings_message_size",
                violation_error_message="RFC 5321 section 4.5.3.1.7 asks for at least 64 KiB.",
            ),
            models.CheckConstraint(condition=Q(smtpd_recipient_limit__gte=100), name="server_settings_recipient_limit"),
            models.CheckConstraint(
                condition=Q(destination_concurrency_limit__gte=1), name="server_settings_concurrency_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.myhostname


class MyNetwork(models.Model):
    """A network whose clients may relay without logging in."""

    cidr = CidrField(
        "network",
        unique=True,
        help_text=(
            "<code>192.0.2.0/24</code>, <code>2001:db8::/32</code> or a single address (Postfix: "
            "<code>mynetworks</code>)."
        ),
    )
    note = models.CharField(max_length=200, blank=True, help_text="Who or what this is.")
    enabled = models.BooleanField(default=True)
    open_relay_confirmation = models.CharField(
        max_length=64,
        blank=True,
        help_text=(
            "A network this wide lets strangers send through this server. Only if that is really meant: "
            "repeat the network here, letter by letter."
        ),
    )

    class Meta:
        db_table = "my_network"
        ordering = ["cidr"]
        verbose_name = "trusted network"
        verbose_name_plural = "my networks"

    def __str__(self) -> str:
        return str(self.cidr)


class TransportRule(models.Model):
    """Where mail for some recipients, or of some senders, goes instead of the general way."""

    class Direction(models.TextChoices):
        RECIPIENT = "recipient", "recipient (transport_maps)"
        SENDER = "sender", "sender (sender_dependent_relayhost_maps)"

    match = models.CharField(
        max_length=320,
        validators=[validate_match],
        help_text=(
            "<code>example.org</code>, <code>.example.org</code> (its subdomains), <code>user@example.org</code> "
            "or <code>*</code>; the most exact match counts."
        ),
    )
    direction = models.CharField(
        max_length=9,
        choices=Direction,
        default=Direction.RECIPIENT,
        help_text="Postfix: <code>transport_maps</code>, <code>sender_dependent_relayhost_maps</code>.",
    )
    relayhost = models.ForeignKey(
        RelayHost,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rules",
        help_text="Empty: directly, by MX records.",
    )
    enabled = models.BooleanField(default=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "transport_rule"
        ordering = ["match"]
        constraints = [
            models.UniqueConstraint(
                "direction",
                "match",
                name="transport_rule_unique",
                violation_error_message="There is a rule for this match already.",
            ),
            models.CheckConstraint(condition=Q(match=Lower("match")), name="transport_rule_match_lower_case"),
            models.CheckConstraint(
                condition=Q(direction__in=["recipient", "sender"]), name="transport_rule_direction_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.match} -> {self.relayhost or 'MX'}"


class SenderRewrite(models.Model):
    """An address that is written differently on its way through (Postfix: canonical_maps)."""

    class AppliesTo(models.TextChoices):
        SENDER = "sender", "sender (sender_canonical_maps)"
        RECIPIENT = "recipient", "recipient (recipient_canonical_maps)"
        BOTH = "both", "both (canonical_maps)"

    pattern = models.CharField(
        max_length=320,
        unique=True,
        validators=[validate_rewrite],
        help_text="<code>user@example.org</code>, or <code>@example.org</code> for a whole domain.",
    )
    replacement = models.CharField(
        max_length=320,
        validators=[validate_rewrite],
        help_text="The address instead; <code>@example.net</code> keeps the local part.",
    )
    applies_to = models.CharField(max_length=9, choices=AppliesTo, default=AppliesTo.BOTH)
    enabled = models.BooleanField(default=True)

    class Meta:
        db_table = "sender_rewrite"
        ordering = ["pattern"]
        verbose_name = "address rewriting rule"
        verbose_name_plural = "address rewriting"
        constraints = [
            models.CheckConstraint(condition=Q(pattern=Lower("pattern")), name="sender_rewrite_pattern_lower_case"),
            models.CheckConstraint(
                condition=~Q(replacement__startswith="@") | Q(pattern__startswith="@"),
                name="sender_rewrite_domain_to_domain",
                violation_error_message="A whole domain as the replacement needs a whole domain as the pattern.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pattern} -> {self.replacement}"


class ConfigGeneration(models.Model):
    """Counts committed configuration changes: one row, raised by triggers only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    generation = models.BigIntegerField(default=1)

    class Meta:
        db_table = "config_generation"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="config_generation_one_row")]

    def __str__(self) -> str:
        return str(self.generation)
