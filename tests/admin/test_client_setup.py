"""What mail clients are told when an account is set up: Thunderbird, Outlook, Apple; whom, at which host, how often."""

import plistlib
from xml.etree import ElementTree as xml

import pytest
from django.test import Client

from mailadmin.autoconfig import views
from mailadmin.autoconfig.rate_limit import MAX_REQUESTS, RateLimit
from mailadmin.directory.models import Domain
from mailadmin.transport.models import ServerSettings
from mailcore.clock import FakeClock
from tests.admin.api_support import ApiClient

REQUEST = (
    '<?xml version="1.0"?>{}<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/'
    'requestschema/2006"><Request><EMailAddress>{}</EMailAddress><AcceptableResponseSchema>{}'
    "</AcceptableResponseSchema></Request></Autodiscover>"
)
SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
CONFIG = "/.well-known/autoconfig/mail/config-v1.1.xml"


@pytest.fixture(autouse=True)
def server(domain, settings, monkeypatch):
    """A server with everything on but POP3 with STARTTLS, and a panel that is to be had at one name only."""
    ServerSettings.objects.update(myhostname="mail.linuxadmin.dev")
    ports = {"imap": 143, "imaps": 993, "pop3": 0, "pop3s": 995, "submission": 587, "submissions": 465}
    settings.MAIL_PORTS = {**settings.MAIL_PORTS, **ports}
    settings.ALLOWED_HOSTS = ["panel.linuxadmin.dev"]
    monkeypatch.setattr(views, "LIMIT", RateLimit())


@pytest.fixture
def anybody() -> Client:
    return Client()


def servers_of(document: bytes) -> list[tuple[str | None, ...]]:
    """Type, host, port, security and user name of each server, in the order of the document."""
    names = ("hostname", "port", "socketType", "username")
    (provider,) = xml.fromstring(document).findall("emailProvider")
    return [
        (server.get("type"), *(server.findtext(name) for name in names))
        for server in provider
        if server.tag.endswith("Server")
    ]


def ask_outlook(client: Client, address: str, *, path: str = "/autodiscover/autodiscover.xml", doctype: str = "",
                schema: str = SCHEMA, host: str = "autodiscover.linuxadmin.dev"):  # fmt: skip
    body = REQUEST.format(doctype, address, schema)
    return client.post(path, body, content_type="text/xml", HTTP_HOST=host)


def error_of(response) -> str | None:
    return xml.fromstring(response.content).findtext(".//{*}ErrorCode")


@pytest.mark.parametrize(
    ("path", "host"),
    [
        (CONFIG, "linuxadmin.dev"),
        ("/mail/config-v1.1.xml", "autoconfig.linuxadmin.dev"),
        (f"{CONFIG}?emailaddress=alice@LinuxAdmin.dev", "elsewhere.example"),
        ("/mail/config-v1.1.xml?emailaddress=alice%40linuxadmin.dev", "autoconfig.linuxadmin.dev:8080"),
    ],
)
def test_thunderbird_is_told_the_servers_in_their_order(anybody, path, host):
    response = anybody.get(path, HTTP_HOST=host)

    assert response.status_code == 200 and response["Content-Type"].startswith("application/xml")
    assert servers_of(response.content) == [
        ("imap", "mail.linuxadmin.dev", "993", "SSL", "%EMAILADDRESS%"),
        ("imap", "mail.linuxadmin.dev", "143", "STARTTLS", "%EMAILADDRESS%"),
        ("pop3", "mail.linuxadmin.dev", "995", "SSL", "%EMAILADDRESS%"),
        ("smtp", "mail.linuxadmin.dev", "465", "SSL", "%EMAILADDRESS%"),
        ("smtp", "mail.linuxadmin.dev", "587", "STARTTLS", "%EMAILADDRESS%"),
    ]
    assert xml.fromstring(response.content).findtext("emailProvider/domain") == "linuxadmin.dev"


def test_in_an_alias_domain_one_logs_in_with_the_address_it_stands_for(anybody, domain):
    Domain.objects.create(name="alias.example", kind="alias", alias_of=domain)

    response = anybody.get(CONFIG, {"emailaddress": "alice@alias.example"}, HTTP_HOST="alias.example")

    assert {server[4] for server in servers_of(response.content)} == {"%EMAILLOCALPART%@linuxadmin.dev"}
    body = ask_outlook(anybody, "alice@alias.example").content
    assert xml.fromstring(body).findtext(".//{*}LoginName") == "alice@linuxadmin.dev"


@pytest.mark.parametrize("address", ["x@elsewhere.example", "x@relay.example", "x@off.example", "@", "x@ä..b", "x@"])
def test_domains_that_are_not_ours_are_told_nothing(anybody, address):
    Domain.objects.create(name="relay.example", kind="relay")
    Domain.objects.create(name="off.example", enabled=False)

    assert anybody.get(CONFIG, {"emailaddress": address}, HTTP_HOST="elsewhere.example").status_code == 404
    assert error_of(ask_outlook(anybody, address)) == "500"


def test_an_address_that_exists_is_answered_like_one_that_does_not(anybody, alice):
    def answers(name: str) -> list[bytes]:
        config = anybody.get(CONFIG, {"emailaddress": f"{name}@linuxadmin.dev"}, HTTP_HOST="linuxadmin.dev")
        found = [config.content, ask_outlook(anybody, f"{name}@linuxadmin.dev").content]
        return [text.replace(name.encode(), b"*") for text in found]

    assert answers("alice") == answers("nobody")


@pytest.mark.parametrize(
    "path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"]
)
def test_outlook_is_told_the_servers(anybody, path):
    response = ask_outlook(anybody, "alice@linuxadmin.dev", path=path)

    assert response.status_code == 200
    protocols = xml.fromstring(response.content).findall(".//{*}Protocol")
    names = ("Type", "Server", "Port", "LoginName", "SSL", "Encryption")
    assert [tuple(protocol.findtext(f"{{*}}{name}") for name in names) for protocol in protocols] == [
        ("IMAP", "mail.linuxadmin.dev", "993", "alice@linuxadmin.dev", "on", "SSL"),
        ("IMAP", "mail.linuxadmin.dev", "143", "alice@linuxadmin.dev", "off", "TLS"),
        ("POP3", "mail.linuxadmin.dev", "995", "alice@linuxadmin.dev", "on", "SSL"),
        ("SMTP", "mail.linuxadmin.dev", "465", "alice@linuxadmin.dev", "on", "SSL"),
        ("SMTP", "mail.linuxadmin.dev", "587", "alice@linuxadmin.dev", "off", "TLS"),
    ]


BOMB = '<!DOCTYPE a [<!ENTITY x "alice@linuxadmin.dev">]>'


@pytest.mark.parametrize(
    ("address", "doctype", "schema", "code"),
    [
        ("&x;", BOMB, SCHEMA, "600"),
        ("alice@linuxadmin.dev", BOMB, SCHEMA, "600"),
        ("alice@linuxadmin.dev", '<!DOCTYPE a SYSTEM "file:///etc/passwd">', SCHEMA, "600"),
        ("&x;", "", SCHEMA, "600"),
        ("<a>" * 100, "", SCHEMA, "600"),
        ("", "", SCHEMA, "600"),
        ("alice@linuxadmin.dev", "", "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/x", "601"),
    ],
)
def test_a_request_that_is_none_gets_an_error_and_no_entity_is_read(anybody, address, doctype, schema, code):
    response = ask_outlook(anybody, address, doctype=doctype, schema=schema)

    assert response.status_code == 200 and error_of(response) == code
    assert b"root:" not in response.content


def test_methods_and_sizes_are_bounded(anybody):
    assert anybody.get("/autodiscover/autodiscover.xml").status_code == 405
    assert anybody.post(CONFIG).status_code == 405
    assert anybody.post("/autodiscover/autodiscover.xml", "x" * 20_000, content_type="text/xml").status_code == 413


@pytest.mark.parametrize("host", ["autoconfig.linuxadmin.dev", "AutoDiscover.linuxadmin.dev"])
def test_the_hosts_for_clients_serve_no_panel(anybody, settings, host):
    settings.ALLOWED_HOSTS = ["*"]

    assert anybody.get("/admin/login/", HTTP_HOST=host).status_code == 404
    assert anybody.get("/mail/login/", HTTP_HOST=host).status_code == 404
    assert anybody.get("/mail/login/", HTTP_HOST="autoconfig.elsewhere.example").status_code == 200


def test_who_asks_too_often_has_to_wait(anybody, monkeypatch):
    clock = FakeClock()
    monkeypatch.setattr(views, "LIMIT", RateLimit(clock))

    def status() -> int:
        return anybody.get(CONFIG, HTTP_HOST="linuxadmin.dev").status_code

    assert [status() for _ in range(MAX_REQUESTS)] == [200] * MAX_REQUESTS
    assert status() == 429
    assert anybody.get(CONFIG, HTTP_HOST="linuxadmin.dev", REMOTE_ADDR="127.0.0.99").status_code == 429, "same network"
    assert anybody.get(CONFIG, HTTP_HOST="linuxadmin.dev", REMOTE_ADDR="192.0.2.7").status_code == 200
    clock.advance(60)
    assert status() == 200


def mail_payload(response) -> dict:
    assert response.status_code == 200 and response["Content-Type"] == "application/x-apple-aspen-config"
    (mail,) = plistlib.loads(response.content)["PayloadContent"]
    return mail


def test_apple_profile_of_an_account(panel, alice):
    response = panel.get(f"/admin/profile/account/{alice.pk}/", HTTP_HOST="panel.linuxadmin.dev")

    mail = mail_payload(response)
    assert response["Content-Disposition"] == 'attachment; filename="alice@linuxadmin.dev.mobileconfig"'
    assert (mail["EmailAddress"], mail["IncomingMailServerUsername"]) == ("alice@linuxadmin.dev",) * 2
    assert (mail["EmailAccountType"], mail["IncomingMailServerPortNumber"]) == ("EmailTypeIMAP", 993)
    assert (mail["OutgoingMailServerHostName"], mail["OutgoingMailServerPortNumber"]) == ("mail.linuxadmin.dev", 465)
    again = mail_payload(panel.get(f"/admin/profile/account/{alice.pk}/", HTTP_HOST="panel.linuxadmin.dev"))
    assert mail == again, "installed again it replaces the first"


def test_apple_profile_of_a_domain_asks_for_the_address(panel):
    mail = mail_payload(panel.get("/admin/profile/domain/linuxadmin.dev/", HTTP_HOST="panel.linuxadmin.dev"))

    assert "EmailAddress" not in mail and "IncomingMailServerUsername" not in mail
    assert mail["IncomingMailServerHostName"] == "mail.linuxadmin.dev"


def test_apple_profile_offers_only_what_the_account_may_use(panel, alice):
    alice.allow_imap = False
    alice.save()

    mail = mail_payload(panel.get(f"/admin/profile/account/{alice.pk}/", HTTP_HOST="panel.linuxadmin.dev"))
    assert (mail["EmailAccountType"], mail["IncomingMailServerPortNumber"]) == ("EmailTypePOP", 995)

    alice.allow_smtp = False
    alice.save()
    refused = panel.get(f"/admin/profile/account/{alice.pk}/", HTTP_HOST="panel.linuxadmin.dev")
    assert refused.status_code == 404


def test_profiles_are_for_those_who_may_see_them(anybody, alice):
    host = {"HTTP_HOST": "panel.linuxadmin.dev"}
    assert anybody.get(f"/admin/profile/account/{alice.pk}/", **host).status_code == 302
    assert anybody.get("/mail/profile/", **host).status_code == 302
    anybody.force_login(alice)

    assert anybody.get(f"/admin/profile/account/{alice.pk}/", **host).status_code == 302
    assert mail_payload(anybody.get("/mail/profile/", **host))["EmailAddress"] == "alice@linuxadmin.dev"


def test_ones_own_page_leads_to_the_profile_if_there_can_be_one(anybody, alice):
    anybody.force_login(alice)
    host = {"HTTP_HOST": "panel.linuxadmin.dev"}

    assert b"/mail/profile/" in anybody.get("/mail/account/", **host).content
    alice.allow_smtp = False
    alice.save()
    assert b"/mail/profile/" not in anybody.get("/mail/account/", **host).content


def test_the_api_names_the_records_of_a_domain(settings):
    settings.ALLOWED_HOSTS = ["*"]
    Domain.objects.create(name="relay.example", kind="relay")
    api = ApiClient("domains:read")

    status, records = api.get("/domains/linuxadmin.dev/dns/")

    assert status == 200
    found = {record["name"]: (record["type"], record["value"]) for record in records}
    assert found["_imaps._tcp.linuxadmin.dev"] == ("SRV", "0 1 993 mail.linuxadmin.dev.")
    assert found["_pop3._tcp.linuxadmin.dev"] == ("SRV", "0 0 0 .")
    assert found["autoconfig.linuxadmin.dev"][0] == found["autodiscover.linuxadmin.dev"][0] == "CNAME"
    assert api.get("/domains/relay.example/dns/") == (200, [])
    assert api.get("/domains/none.example/dns/")[0] == 404
