"""/api/v1/networks/, relayhosts, transport-rules, rewrites and settings."""

import ipaddress

import pytest
from django.conf import settings as django_settings

from mailadmin.database import raw_connection
from mailadmin.transport.models import MyNetwork, RelayHost, SenderRewrite, ServerSettings, TransportRule
from mailcore.config.loader import load_snapshot
from mailcore.secretbox import unseal
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    MyNetwork.objects.all().delete()
    scopes = ("networks", "relayhosts", "transport-rules", "rewrites", "settings")
    return ApiClient(*(f"{scope}:write" for scope in scopes))


@pytest.fixture
def server():
    ServerSettings.objects.all().delete()
    return ServerSettings.objects.create(myhostname="mx.example.org", mydomain="example.org", myorigin="example.org")


def test_a_network_is_addressed_by_itself_or_its_id(api):
    status, made = api.put("/networks/192.0.2.0/24/", {"note": "office"})
    assert (status, made["cidr"]) == (201, "192.0.2.0/24")

    assert api.get("/networks/192.0.2.0%2F24/")[1] == made
    assert api.get(f"/networks/{made['id']}/")[1] == made
    assert api.put("/networks/192.0.2.0/24", {})[0] == 200
    assert api.delete(f"/networks/{made['id']}/")[0] == 204


def test_a_single_address_and_ipv6(api):
    assert api.post("/networks/", {"cidr": "192.0.2.7"})[1]["cidr"] == "192.0.2.7/32"
    assert api.put("/networks/2001:db8::/48/", {})[0] == 201
    assert api.get("/networks/192.0.2.7/")[0] == 200


@pytest.mark.parametrize("cidr", ["", "x", "192.0.2.1/24", "192.0.2.0/33", "1.2.3", None, 5])
def test_nonsense_is_no_network(api, cidr):
    api.post("/networks/", {"cidr": cidr})

    assert_problem(api.response, 400, "cidr")


def test_an_open_relay_must_be_confirmed_by_name(api):
    api.put("/networks/0.0.0.0/0/", {})
    assert_problem(api.response, 400, "open_relay_confirmation")
    api.put("/networks/0.0.0.0/0/", {"open_relay_confirmation": "yes"})
    assert_problem(api.response, 400, "open_relay_confirmation")

    assert api.put("/networks/0.0.0.0/0/", {"open_relay_confirmation": "0.0.0.0/0"})[0] == 201
    assert api.put("/networks/10.0.0.0/8/", {})[0] == 201, "private networks need no confirmation"


def test_a_relay_host_and_its_password(api):
    body = {"host": "[smtp.example.org]:587", "tls": "encrypt", "username": "me", "password": "pass word "}
    status, made = api.post("/relayhosts/", body)

    row = RelayHost.objects.get()
    assert status == 201
    assert (row.host, row.port, row.lookup_mx) == ("smtp.example.org", 587, False)
    assert unseal(django_settings.SECRET_KEY, row.sealed_password) == "pass word "
    assert made["has_password"] is True and made["notation"] == "[smtp.example.org]:587"
    assert "password" not in made and "sealed_password" not in made

    assert api.patch(f"/relayhosts/{made['id']}/", {"note": "x"})[1]["has_password"] is True
    assert api.patch(f"/relayhosts/{made['id']}/", {"password": ""})[1]["has_password"] is False


def test_a_relay_host_by_its_notation(api):
    assert api.put("/relayhosts/[127.0.0.1]:3526/", {"tls": "none"})[0] == 201
    status, body = api.put("/relayhosts/[127.0.0.1]:3526/", {"tls": "may"})

    assert (status, body["host"], body["port"], body["tls"]) == (200, "127.0.0.1", 3526, "may")
    assert api.get("/relayhosts/", host="127.0.0.1")[1]["count"] == 1
    api.put("/relayhosts/[127.0.0.1]:3526/", {"port": 25})
    assert_problem(api.response, 400, "port")
    api.get("/relayhosts/nonsense here/")
    assert_problem(api.response, 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [({"host": "a b"}, "host"), ({"host": "x.example", "port": 0}, "port"), ({"host": "x.example", "tls": "?"}, "tls")],
)
def test_a_relay_host_that_is_none(api, body, field):
    api.post("/relayhosts/", body)

    assert_problem(api.response, 400, field)


def test_the_same_relay_host_twice(api):
    api.post("/relayhosts/", {"host": "[x.example]:25"})
    api.post("/relayhosts/", {"host": "X.example"})

    assert "exists already" in assert_problem(api.response, 400, "non_field_errors")["detail"]


def test_a_rule_finds_or_creates_its_relay_host(api):
    _, rule = api.post("/transport-rules/", {"match": "Example.COM", "relayhost": "[127.0.0.1]:3526"})
    _, other = api.put("/transport-rules/.example.com/", {"relayhost": "[127.0.0.1]:3526"})
    _, third = api.put("/transport-rules/user@example.com/", {"relayhost": RelayHost.objects.get().pk})

    assert RelayHost.objects.count() == 1
    assert rule["relayhost"] == other["relayhost"] == third["relayhost"] == "[127.0.0.1]:3526"
    assert (rule["match"], rule["direction"]) == ("example.com", "recipient")
    assert api.delete(f"/relayhosts/{RelayHost.objects.get().pk}/")[0] == 409


def test_a_rule_without_a_relay_host_means_mx(api):
    assert api.put("/transport-rules/*/", {"relayhost": None})[1]["relayhost"] is None


def test_the_two_directions_of_a_match_are_two_rules(api):
    api.put("/transport-rules/example.com/", {"relayhost": "[a.example]"})
    assert api.put("/transport-rules/example.com/", {"relayhost": "[b.example]"}, direction="sender")[0] == 201

    assert TransportRule.objects.count() == 2
    assert api.get("/transport-rules/example.com/")[1]["relayhost"] == "[a.example]:25"
    assert api.get("/transport-rules/example.com/", direction="sender")[1]["relayhost"] == "[b.example]:25"
    api.post("/transport-rules/", {"match": "example.com"})
    assert_problem(api.response, 400, "non_field_errors")
    api.get("/transport-rules/example.com/", direction="up")
    assert_problem(api.response, 400, "direction")


@pytest.mark.parametrize("relayhost", [True, [], {"a": 1}, "[x", "a b", 10**6, 1.5])
def test_a_next_hop_that_is_none(api, relayhost):
    api.post("/transport-rules/", {"match": "example.com", "relayhost": relayhost})

    assert_problem(api.response, 400, "relayhost")
    assert not RelayHost.objects.exists()


def test_a_refused_rule_leaves_no_relay_host_behind(api):
    api.post("/transport-rules/", {"match": "not a match", "relayhost": "[x.example]"})

    assert_problem(api.response, 400, "match")
    assert not RelayHost.objects.exists()


def test_rewrites(api):
    body = {"pattern": "@old.example", "replacement": "@new.example", "applies_to": "sender"}
    _, made = api.post("/rewrites/", body)

    assert api.get("/rewrites/@old.example/")[1] == made == api.get(f"/rewrites/{made['id']}/")[1]
    assert api.put("/rewrites/@old.example/", {"replacement": "@newer.example"})[1]["applies_to"] == "both"
    api.post("/rewrites/", {"pattern": "a@old.example", "replacement": "@new.example"})
    assert_problem(api.response, 400, "non_field_errors")
    assert api.delete("/rewrites/@old.example/")[0] == 204
    assert not SenderRewrite.objects.exists()


def test_settings_are_read_and_changed(api, server):
    assert api.get("/settings/")[1]["plaintext_auth"] == "never"

    status, body = api.patch("/settings/", {"message_size_limit": 70000, "plaintext_auth": "mynetworks"})
    assert (status, body["message_size_limit"], body["plaintext_auth"]) == (200, 70000, "mynetworks")
    assert body["myhostname"] == "mx.example.org"
    assert api.patch("/settings/", {"relayhost": "[127.0.0.1]:3526"})[1]["relayhost"] == "[127.0.0.1]:3526"
    assert api.patch("/settings/", {"relayhost": None})[1]["relayhost"] is None


def test_balancers_are_read_and_changed(api, server):
    assert api.get("/settings/")[1]["haproxy_trusted_networks"] == []

    status, body = api.patch("/settings/", {"haproxy_trusted_networks": ["192.0.2.5", "2001:DB8::/64"]})

    assert (status, body["haproxy_trusted_networks"]) == (200, ["192.0.2.5/32", "2001:db8::/64"])
    assert api.get("/settings/")[1]["haproxy_trusted_networks"] == ["192.0.2.5/32", "2001:db8::/64"]
    assert load_snapshot(raw_connection()).haproxy_trusted_networks.networks == (
        ipaddress.ip_network("192.0.2.5/32"),
        ipaddress.ip_network("2001:db8::/64"),
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"message_size_limit": 5}, "message_size_limit"),
        ({"plaintext_auth": "always"}, "plaintext_auth"),
        ({"haproxy_trusted_networks": ["192.0.2.1/24"]}, "haproxy_trusted_networks"),
        ({"haproxy_trusted_networks": ["balancer"]}, "haproxy_trusted_networks"),
        ({"haproxy_trusted_networks": ["10.0.0.0/8", "0.0.0.0/0"]}, "haproxy_trusted_networks"),
        ({"haproxy_trusted_networks": "10.0.0.0/8"}, "haproxy_trusted_networks"),
        ({"myhostname": "a b"}, "myhostname"),
        ({"maximal_backoff_time": 1}, "non_field_errors"),
        ({"smtpd_recipient_limit": 10**12}, "smtpd_recipient_limit"),
    ],
)
def test_settings_that_make_no_sense(api, server, change, field):
    api.patch("/settings/", change)

    assert_problem(api.response, 400, field)


def test_settings_before_setup_are_not_found(api):
    ServerSettings.objects.all().delete()
    api.get("/settings/")

    assert_problem(api.response, 404)
