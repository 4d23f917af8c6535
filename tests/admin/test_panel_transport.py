"""Networks, relay hosts, rules, rewriting and server settings in the panel, and the route test."""

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError

from mailadmin.audit.models import AuditEntry
from mailadmin.database import raw_connection
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.transport.models import MyNetwork, RelayHost, SenderRewrite, ServerSettings, TransportRule
from mailcore.secretbox import unseal
from tests.admin.panel_support import errors_of, messages_of, text_of

NETWORK_ADD = "/admin/transport/mynetwork/add/"
RELAY_ADD = "/admin/transport/relayhost/add/"
SETTINGS = "/admin/transport/serversettings/1/change/"


def a_network(**changes):
    return {"cidr": "192.0.2.0/24", "note": "", "enabled": "on", "open_relay_confirmation": "", **changes}


def a_relay_host(**changes):
    fields = {"next_hop": "[smtp.example.org]:587", "tls": "encrypt", "username": "", "password": "", "note": ""}
    return {**fields, **changes}


def the_settings(**changes):
    fields = {
        "myhostname": "mail.linuxadmin.dev", "mydomain": "linuxadmin.dev", "myorigin": "linuxadmin.dev",
        "inet_interfaces": "all", "mynetworks_style": "host", "message_size_limit": "50 MB", "recipient_delimiter": "+",
        "plaintext_auth": "never", "smtpd_recipient_limit": "1000", "hopcount_limit": "50",
        "client_connection_limit": "50", "client_message_rate_limit": "0", "minimal_backoff_time": "5m",
        "maximal_backoff_time": "4000s", "maximal_queue_lifetime": "5d", "delay_warning_time": "4h",
        "smtp_tls_security_level": "may", "destination_concurrency_limit": "20", "relayhost": "",
        "haproxy_trusted_networks": "", "account_connection_limit": "50", "address_connection_limit": "200",
        "login_delay": "0", "auth_failure_limit": "20",
    }  # fmt: skip
    return {**fields, **changes}


def test_network_is_stored_in_its_canonical_form(panel):
    for typed in ("[2001:DB8::]/32", "198.51.100.7"):
        assert panel.post(NETWORK_ADD, a_network(cidr=typed)).status_code == 302

    stored = set(MyNetwork.objects.values_list("cidr", flat=True))
    assert {"2001:db8::/32", "198.51.100.7/32"} <= stored


@pytest.mark.parametrize("typed", ["192.0.2.1/24", "300.1.2.3", "example.org", "", "192.0.2.0/33", "127.0.0.0/8"])
def test_network_form_complains_beside_the_field(panel, typed):
    assert "cidr" in errors_of(panel.post(NETWORK_ADD, a_network(cidr=typed)))


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "8.0.0.0/8", "2000::/3"])
def test_open_relay_is_refused_until_the_network_is_repeated(panel, cidr):
    errors = errors_of(panel.post(NETWORK_ADD, a_network(cidr=cidr)))
    assert "is an open relay" in errors["open_relay_confirmation"][0]
    assert f"type <code>{cidr}</code>" in errors["open_relay_confirmation"][0]

    assert "open_relay_confirmation" in errors_of(
        panel.post(NETWORK_ADD, a_network(cidr=cidr, open_relay_confirmation="yes"))
    )
    assert not MyNetwork.objects.filter(cidr=cidr).exists()

    response = panel.post(NETWORK_ADD, a_network(cidr=cidr, open_relay_confirmation=cidr))
    assert response.status_code == 302
    assert "open relay" in messages_of(response)


def test_the_database_itself_refuses_an_open_relay(db):
    with pytest.raises(IntegrityError, match="my_network_no_open_relay"):
        MyNetwork.objects.create(cidr="0.0.0.0/0")


def test_open_relay_may_be_written_down_while_it_is_off(panel):
    fields = a_network(cidr="0.0.0.0/0")
    del fields["enabled"]

    assert panel.post(NETWORK_ADD, fields).status_code == 302


def test_networks_of_the_interfaces_are_added_with_one_click(panel, monkeypatch):
    import ipaddress

    found = [("eth0", ipaddress.ip_interface("10.1.2.3/24")), ("lo", ipaddress.ip_interface("127.0.0.1/8"))]
    monkeypatch.setattr("mailadmin.transport.admin.machine_interfaces", lambda: found)
    ServerSettings.objects.update(mynetworks_style="subnet")
    page = text_of(panel.get("/admin/transport/mynetwork/"))
    assert "10.1.2.0/24 eth0 Add" in page
    assert "127.0.0.0/8 lo in the list" in page

    response = panel.post("/admin/transport/mynetwork/add-proposed/", {"cidr": "10.1.2.0/24", "interface": "eth0"})

    assert response.status_code == 302
    assert MyNetwork.objects.get(cidr="10.1.2.0/24").note == "Interface eth0"
    assert AuditEntry.objects.filter(object_key="10.1.2.0/24", action="created").exists()
    assert "10.1.2.0/24 eth0 in the list" in text_of(panel.get("/admin/transport/mynetwork/"))


def test_a_proposal_that_would_be_an_open_relay_leads_to_the_form(panel):
    response = panel.post("/admin/transport/mynetwork/add-proposed/", {"cidr": "8.0.0.0/8", "interface": "eth0"})

    assert response.headers["Location"] == f"{NETWORK_ADD}?cidr=8.0.0.0/8"
    assert not MyNetwork.objects.filter(cidr="8.0.0.0/8").exists()


def test_proposals_are_only_taken_by_post_and_checked(panel):
    assert panel.get("/admin/transport/mynetwork/add-proposed/").status_code == 405
    assert "is not a network" in messages_of(panel.post("/admin/transport/mynetwork/add-proposed/", {"cidr": "x"}))


@pytest.mark.parametrize(
    ("typed", "host", "port", "lookup_mx"),
    [
        ("[smtp.example.org]:587", "smtp.example.org", 587, False),
        ("Example.ORG", "example.org", 25, True),
        ("example.org:submission", "example.org", 587, True),
        ("[2001:db8::1]:25", "2001:db8::1", 25, False),
        ("smtp:[192.0.2.5]", "192.0.2.5", 25, False),
    ],
)
def test_relay_host_is_typed_as_in_postfix(panel, typed, host, port, lookup_mx):
    response = panel.post(RELAY_ADD, a_relay_host(next_hop=typed))

    assert response.status_code == 302, errors_of(response)
    relay_host = RelayHost.objects.get()
    assert (relay_host.host, relay_host.port, relay_host.lookup_mx) == (host, port, lookup_mx)


def test_password_of_a_relay_host_is_sealed_kept_and_never_shown(panel):
    response = panel.post(RELAY_ADD, a_relay_host(username="us", password="s3cret-word"))
    assert response.status_code == 302, errors_of(response)
    relay_host = RelayHost.objects.get()
    assert unseal(django_settings.SECRET_KEY, relay_host.sealed_password) == "s3cret-word"
    url = f"/admin/transport/relayhost/{relay_host.pk}/change/"

    page = panel.get(url).content.decode()
    assert "s3cret-word" not in page and relay_host.sealed_password not in page
    assert 'value="[smtp.example.org]:587"' in page

    panel.post(url, a_relay_host(username="us", note="ours"))
    relay_host.refresh_from_db()
    assert unseal(django_settings.SECRET_KEY, relay_host.sealed_password) == "s3cret-word"
    assert "s3cret" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))

    panel.post(url, a_relay_host())
    relay_host.refresh_from_db()
    assert relay_host.sealed_password == ""


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"next_hop": "[host:25"}, "next_hop", "bracket"),
        ({"next_hop": "host:99999"}, "next_hop", "not a port"),
        ({"next_hop": "2001:db8:::1"}, "next_hop", "in brackets"),
        ({"next_hop": "bad host"}, "next_hop", "not a host name"),
        ({"next_hop": ""}, "next_hop", "required"),
        ({"password": "x"}, "username", "needs a user name"),
        ({"username": "x"}, "password", "Give the password"),
        ({"next_hop": "[Known.example]:25"}, "next_hop", "exists already"),
    ],
)
def test_relay_host_form_complains_beside_the_field(panel, changes, field, words):
    RelayHost.objects.create(host="known.example", port=25)

    response = panel.post(RELAY_ADD, a_relay_host(**changes))

    assert words in " ".join(errors_of(response)[field])


def test_smtps_means_tls_from_the_first_byte(panel):
    panel.post(RELAY_ADD, a_relay_host(next_hop="smtps:[smtp.example.org]"))

    relay_host = RelayHost.objects.get()
    assert (relay_host.port, relay_host.tls) == (465, "implicit")


def test_relay_host_for_all_mail_becomes_the_relayhost_of_the_server(panel):
    response = panel.post(RELAY_ADD, a_relay_host(for_all_mail="on"))

    relay_host = RelayHost.objects.get()
    assert ServerSettings.objects.get().relayhost == relay_host
    assert "Outbound mail now goes to [smtp.example.org]:587" in messages_of(response)
    assert "all outbound mail" in text_of(panel.get("/admin/transport/relayhost/"))
    entry = AuditEntry.objects.get(object_type="server settings")
    assert entry.changes == {"relayhost": [None, relay_host.pk]}

    panel.post(f"/admin/transport/relayhost/{relay_host.pk}/change/", a_relay_host())
    assert ServerSettings.objects.get().relayhost is None


def test_unprotected_login_is_warned_of(panel):
    response = panel.post(RELAY_ADD, a_relay_host(tls="may", username="us", password="secret"))

    assert response.status_code == 302
    assert "not protected" in messages_of(response)


def test_relay_host_in_use_cannot_be_deleted(panel):
    relay_host = RelayHost.objects.create(host="smtp.example.org")
    TransportRule.objects.create(match="example.net", relayhost=relay_host)

    panel.post(f"/admin/transport/relayhost/{relay_host.pk}/delete/", {"post": "yes"})

    assert RelayHost.objects.filter(pk=relay_host.pk).exists()


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("Example.ORG", "example.org"), (".Example.org", ".example.org"), ("U@Example.org", "u@example.org"), ("*", "*")],
)
def test_transport_rule_is_stored_as_it_is_looked_up(panel, typed, stored):
    response = panel.post(
        "/admin/transport/transportrule/add/",
        {"match": typed, "direction": "recipient", "relayhost": "", "enabled": "on", "note": ""},
    )

    assert response.status_code == 302, errors_of(response)
    assert TransportRule.objects.get().match == stored


def test_transport_rule_form_complains(panel):
    TransportRule.objects.create(match="example.org")
    fields = {"direction": "recipient", "relayhost": "", "enabled": "on", "note": ""}

    assert "match" in errors_of(panel.post("/admin/transport/transportrule/add/", {"match": "no good", **fields}))
    errors = errors_of(panel.post("/admin/transport/transportrule/add/", {"match": "EXAMPLE.org", **fields}))
    assert "There is a rule for this match already." in errors["__all__"]


def test_address_rewriting_form(panel):
    url = "/admin/transport/senderrewrite/add/"
    good = {"pattern": "@LAN.example", "replacement": "@linuxadmin.dev", "applies_to": "both", "enabled": "on"}

    assert panel.post(url, good).status_code == 302
    assert SenderRewrite.objects.get().pattern == "@lan.example"
    assert "replacement" in errors_of(panel.post(url, {**good, "pattern": "@x.example", "replacement": "@x.example"}))
    assert "pattern" in errors_of(panel.post(url, {**good, "pattern": "x"}))
    assert "pattern" in errors_of(panel.post(url, good))
    errors = errors_of(panel.post(url, {**good, "pattern": "a@x.example"}))
    assert "A whole domain as the replacement" in errors["__all__"][0]


def test_server_settings_go_straight_to_their_form(panel):
    response = panel.get("/admin/transport/serversettings/")

    assert response.headers["Location"] == SETTINGS
    assert panel.get("/admin/transport/serversettings/add/").status_code == 403
    assert panel.get("/admin/transport/serversettings/1/delete/").status_code == 403


def test_every_setting_names_the_parameter_it_replaces(panel):
    page = panel.get(SETTINGS).content.decode()

    for parameter in (
        "myhostname", "mydomain", "myorigin", "inet_interfaces", "mynetworks_style", "message_size_limit",
        "recipient_delimiter", "smtpd_recipient_limit", "hopcount_limit", "smtpd_client_connection_count_limit",
        "minimal_backoff_time", "maximal_backoff_time", "maximal_queue_lifetime", "delay_warning_time",
        "smtp_tls_security_level", "relayhost", "smtpd_tls_auth_only", "haproxy_trusted_networks",
    ):  # fmt: skip
        assert f"<code>{parameter}</code>" in page, parameter


def test_server_settings_are_saved_with_units_and_shown_with_them(panel):
    typed = the_settings(message_size_limit="25 MB", maximal_queue_lifetime="2d12h", delay_warning_time="")

    response = panel.post(SETTINGS, typed)

    assert response.headers["Location"] == SETTINGS
    saved = ServerSettings.objects.get()
    assert (saved.message_size_limit, saved.maximal_queue_lifetime, saved.delay_warning_time) == (25 << 20, 216000, 0)
    page = panel.get(SETTINGS).content.decode()
    for shown in ("25 MB", "2d12h", "5m", "1h6m40s"):
        assert f'value="{shown}"' in page
    entry = AuditEntry.objects.get(object_type="server settings")
    assert entry.changes["message_size_limit"] == [50 << 20, 25 << 20]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"myhostname": "not a host"}, "myhostname"),
        ({"inet_interfaces": "eth0"}, "inet_interfaces"),
        ({"message_size_limit": "1 KB"}, "message_size_limit"),
        ({"message_size_limit": "large"}, "message_size_limit"),
        ({"smtpd_recipient_limit": "10"}, "smtpd_recipient_limit"),
        ({"minimal_backoff_time": "2h"}, "maximal_backoff_time"),
        ({"minimal_backoff_time": "soon"}, "minimal_backoff_time"),
        ({"destination_concurrency_limit": "0"}, "destination_concurrency_limit"),
        ({"plaintext_auth": "always"}, "plaintext_auth"),
        ({"haproxy_trusted_networks": "192.0.2.1/24"}, "haproxy_trusted_networks"),
        ({"haproxy_trusted_networks": "10.0.0.1\nbalancer"}, "haproxy_trusted_networks"),
        ({"haproxy_trusted_networks": "8.0.0.0/8"}, "haproxy_trusted_networks"),
        ({"hopcount_limit": "0"}, "__all__"),
        ({"minimal_backoff_time": "0"}, "__all__"),
    ],
)
def test_server_settings_form_complains_beside_the_field(panel, changes, field):
    assert field in errors_of(panel.post(SETTINGS, the_settings(**changes)))


def test_inet_interfaces_are_normalised(panel):
    panel.post(SETTINGS, the_settings(inet_interfaces="127.0.0.1 [::1]"))

    assert ServerSettings.objects.get().inet_interfaces == "127.0.0.1, ::1"


def test_balancers_are_written_one_per_line(panel):
    panel.post(SETTINGS, the_settings(haproxy_trusted_networks="192.0.2.5, [2001:DB8::]/64\n10.0.0.0/8\n192.0.2.5"))

    saved = ["192.0.2.5/32", "2001:db8::/64", "10.0.0.0/8"]
    assert ServerSettings.objects.get().haproxy_trusted_networks == saved
    assert "192.0.2.5/32\n2001:db8::/64\n10.0.0.0/8" in panel.get(SETTINGS).content.decode()
    entry = AuditEntry.objects.get(object_type="server settings")
    assert entry.changes["haproxy_trusted_networks"] == [[], saved]

    panel.post(SETTINGS, the_settings())
    assert ServerSettings.objects.get().haproxy_trusted_networks == []


def test_a_network_too_wide_for_balancers_says_why(panel):
    errors = errors_of(panel.post(SETTINGS, the_settings(haproxy_trusted_networks="10.0.0.0/8\n0.0.0.0/0")))

    assert (
        "0.0.0.0/0 is too wide: everybody in it could pretend to be any client" in errors["haproxy_trusted_networks"][0]
    )
    assert "10.0.0.0/8" not in str(errors["haproxy_trusted_networks"])


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "::/0", "8.0.0.0/8", "2000::/3"])
def test_the_database_itself_refuses_strangers_among_the_balancers(db, cidr):
    with pytest.raises(IntegrityError, match="server_settings_balancers_no_strangers"):
        ServerSettings.objects.update(haproxy_trusted_networks=["10.0.0.0/8", cidr])


def test_a_change_in_the_panel_raises_the_generation(panel):
    def generation() -> int:
        conn: psycopg.Connection = raw_connection()
        return int(conn.execute("SELECT generation FROM config_generation").fetchone()[0])

    before = generation()

    panel.post(NETWORK_ADD, a_network())

    assert generation() > before


def route(panel, recipient, sender=""):
    return text_of(panel.get("/admin/route/", {"recipient": recipient, "sender": sender}))


def test_route_of_a_local_alias(panel, alice):
    Alias.objects.create(address="sales@linuxadmin.dev", targets=["alice@linuxadmin.dev", "x@far.example"])

    page = route(panel, "Sales+tag@LinuxAdmin.dev")

    assert "linuxadmin.dev is a local domain" in page
    assert "Alias sales@linuxadmin.dev stands for alice@linuxadmin.dev, x@far.example" in page
    assert "Into the mailbox of alice@linuxadmin.dev" in page
    assert "x@far.example → MX of far.example" in page


def test_route_by_rule_and_by_relayhost(panel):
    general = RelayHost.objects.create(host="smtp.example.org", port=587, tls="encrypt", username="us")
    special = RelayHost.objects.create(host="branch.example.net", port=25)
    ServerSettings.objects.update(relayhost=general)
    TransportRule.objects.create(match=".far.example", relayhost=special)
    TransportRule.objects.create(match="boss@linuxadmin.dev", direction="sender")

    assert "→ [smtp.example.org]:587 because of relayhost of the server settings TLS encrypt Login us" in route(
        panel, "x@near.example"
    )
    page = route(panel, "x@a.far.example")
    assert "→ [branch.example.net]:25 because of transport rule “.far.example” (recipient)" in page
    assert "transport rule “boss@linuxadmin.dev” (sender)" in route(panel, "x@near.example", "boss@linuxadmin.dev")


def test_route_of_nobody_is_the_reply_the_client_would_hear(panel):
    page = route(panel, "nobody@linuxadmin.dev")

    assert "Refused Reply 550 5.1.1" in page
    assert "refuse_unknown_user" in page


def test_route_of_disabled_account_alias_domain_and_relay_domain(panel, alice, domain):
    Account.objects.filter(pk=alice.pk).update(enabled=False)
    Domain.objects.create(name="other.example", kind="alias", alias_of=domain)
    Domain.objects.create(name="branch.example", kind="relay")

    assert "550 5.2.1" in route(panel, "alice@linuxadmin.dev")
    assert "other.example is an alias domain: another name of linuxadmin.dev" in route(panel, "admin@other.example")
    assert "Into the mailbox of admin@linuxadmin.dev" in route(panel, "admin@other.example")
    assert "branch.example is a relay domain" in route(panel, "x@branch.example")


def test_route_after_rewriting(panel, alice):
    SenderRewrite.objects.create(pattern="a.l@linuxadmin.dev", replacement="alice@linuxadmin.dev")

    page = route(panel, "a.l@linuxadmin.dev")

    assert "Rewritten to alice@linuxadmin.dev" in page
    assert "Into the mailbox of alice@linuxadmin.dev" in page


def test_route_that_nobody_can_tell_now(panel):
    Alias.objects.create(address="team@linuxadmin.dev", targets=[":include:/no/such/list"])

    assert "Deferred: nobody can say now" in route(panel, "team@linuxadmin.dev")


def test_route_form_complains(panel):
    assert "recipient" in errors_of(panel.get("/admin/route/", {"recipient": "nonsense"}))
    assert "sender" in errors_of(panel.get("/admin/route/", {"recipient": "a@b.example", "sender": "nonsense"}))
