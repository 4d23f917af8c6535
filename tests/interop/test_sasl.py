"""Logging in over SMTP, IMAP, POP3 and the web: SCRAM, app passwords, networks, and one throttle for all four doors.

GNU SASL's own client from Debian speaks SCRAM-SHA-256 to IMAP and SMTP; channel binding it only knows in kinds that
Python has no access to, so -PLUS is spoken by a client of ours that was written from the RFC.
"""

from __future__ import annotations

import http.client
import re
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from tests.fakes.sasl_client import Line, SaslRefused, Scram, login, plain
from tests.fixtures_servers import wait_until
from tests.interop.conftest import DOMAIN, PASSWORD, Office, run

DOORS = ("smtp", "imap", "pop3")
PORTS = {"smtp": "submissions", "imap": "imaps", "pop3": "pop3s"}
OFFERED = {"PLAIN", "LOGIN", "SCRAM-SHA-256"}
PLUS = "SCRAM-SHA-256-PLUS"  # only over IMAP: elsewhere mutt comes to grief with it
NUMBERS = count(1)


def line(office: Office, protocol: str, source: str = "127.0.0.1") -> Line:
    return Line(protocol, office.ports[PORTS[protocol]], source)


def may_log_in(office: Office, protocol: str, name: str, password: str, source: str = "127.0.0.1") -> bool:
    try:
        with line(office, protocol, source) as client:
            client.log_in("PLAIN", plain(name, password))
    except SaslRefused:
        return False
    return True


def signs_in(office: Office, name: str, password: str, source: str) -> str:
    """Where the web's sign-in page leads, "" if it does not let in."""
    client = http.client.HTTPConnection("127.0.0.1", office.ports["web"], timeout=20, source_address=(source, 0))
    client.request("GET", "/mail/login/")
    page = client.getresponse()
    cookie = str(page.getheader("Set-Cookie")).partition(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    assert token
    form = {"username": name, "password": password, "csrfmiddlewaretoken": token.group(1)}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    client.request("POST", "/mail/login/", urllib.parse.urlencode(form), headers)
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.getheader("Location") or ""


@contextmanager
def an_account(office: Office, **fields: object) -> Iterator[str]:
    """Somebody new, so that what is done to the account meets nobody else."""
    address = f"person{next(NUMBERS)}@{DOMAIN}"
    body = {"address": address, "password": PASSWORD, **fields}
    assert office.appliance.api("PUT", f"accounts/{address}", body).status == 201
    yield address
    assert office.appliance.api("DELETE", f"accounts/{address}").status == 204


@pytest.mark.parametrize("protocol", DOORS)
def test_what_is_offered_works(office, person, protocol):
    with line(office, protocol) as client:
        words = set(client.offer.decode().replace("AUTH=", "").split())
        assert words >= OFFERED
        assert (PLUS in words) == (protocol == "imap")
        assert "OAUTHBEARER" not in words  # nobody issues tokens here
        end_point = client.end_point

    for mechanism, respond in (
        ("PLAIN", plain(person, PASSWORD)),
        ("LOGIN", login(person, PASSWORD)),
        ("SCRAM-SHA-256", Scram(person, PASSWORD)),
        (PLUS, Scram(person, PASSWORD, end_point=end_point)),
    ):
        if mechanism in words:
            with line(office, protocol) as client:
                client.log_in(mechanism, respond)


@pytest.mark.parametrize("protocol", DOORS)
def test_scram_that_proves_nothing(office, protocol):
    for mechanism, respond in (
        ("SCRAM-SHA-256", Scram(office.alice, "wrong")),
        ("SCRAM-SHA-256", Scram(f"nobody@{DOMAIN}", PASSWORD)),
        ("SCRAM-SHA-256", Scram(office.alice, PASSWORD, flag="y")),
        (PLUS, Scram(office.alice, PASSWORD, end_point=b"\0" * 32)),
    )[: 4 if protocol == "imap" else 2]:
        with line(office, protocol, "127.3.3.3") as client, pytest.raises(SaslRefused) as refused:
            client.log_in(mechanism, respond)
        wanted = {"smtp": "535", "imap": "a NO [AUTHENTICATIONFAILED]", "pop3": "-ERR [AUTH]"}[protocol]
        assert str(refused.value).startswith(wanted)


@pytest.mark.parametrize("protocol", DOORS)
def test_a_client_may_give_up(office, protocol):
    with line(office, protocol) as client:
        client.say(b"a AUTHENTICATE SCRAM-SHA-256" if protocol == "imap" else b"AUTH SCRAM-SHA-256")
        client.read()
        client.say(b"*")
        assert client.read().startswith({"smtp": b"501", "imap": b"a BAD", "pop3": b"-ERR"}[protocol])
        client.log_in("PLAIN", plain(office.alice, PASSWORD))


@pytest.mark.parametrize(("kind", "port"), [("--imap", "imap"), ("--smtp", "submission")])
def test_gsasl_logs_in_by_scram(office, person, kind, port):
    said = run("gsasl", "--client", kind, "--mechanism=SCRAM-SHA-256", "--no-cb", f"--authentication-id={person}",
               f"--password={PASSWORD}", f"--x509-ca-file={office.certificate}", "--starttls", "--verbose",
               "--connect=localhost:" + str(office.ports[port]), "--no-client-first", text="")  # fmt: skip

    assert ("Logged in" if kind == "--imap" else "235 2.7.0") in said


def test_an_app_password_opens_what_it_is_for_until_it_is_revoked(office):
    with an_account(office) as address:
        wanted = {"account": address, "name": "phone", "protocols": ["imap", "smtp"]}
        made = office.appliance.api("POST", "app-passwords", wanted).body
        secret = made["password"]

        wait_until(lambda: may_log_in(office, "imap", address, secret), seconds=5)
        with line(office, "smtp") as client:
            client.log_in("SCRAM-SHA-256", Scram(address, secret))
        assert not may_log_in(office, "pop3", address, secret)
        assert not signs_in(office, address, secret, "127.0.0.1")
        assert may_log_in(office, "pop3", address, PASSWORD)

        assert office.appliance.api("DELETE", f"app-passwords/{made['id']}").status == 204
        wait_until(lambda: not may_log_in(office, "imap", address, secret), seconds=2)
        with line(office, "smtp") as client, pytest.raises(SaslRefused):
            client.log_in("SCRAM-SHA-256", Scram(address, secret))
        assert may_log_in(office, "imap", address, PASSWORD)


def test_revoking_ends_the_sessions_that_began_with_it(office):
    with an_account(office) as address, line(office, "imap") as own, line(office, "imap") as phone:
        made = office.appliance.api("POST", "app-passwords", {"account": address, "name": "phone"}).body
        wait_until(lambda: may_log_in(office, "imap", address, made["password"]), seconds=5)
        phone.log_in("PLAIN", plain(address, made["password"]))
        own.log_in("PLAIN", plain(address, PASSWORD))

        office.appliance.api("DELETE", f"app-passwords/{made['id']}")

        assert phone.until(b"* BYE").splitlines()[-1].startswith(b"* BYE")  # the socket waits at most 20 s for it
        own.say(b"b NOOP")
        assert own.until(b"b ").endswith(b"b OK NOOP completed\r\n")


def test_the_last_login_over_each_protocol_and_the_last_use_of_an_app_password_are_written(office):
    sources = {"imap": "127.5.5.1", "pop3": "127.5.5.2", "smtp": "127.5.5.3", "web": "127.5.5.4"}
    with an_account(office) as address:
        made = office.appliance.api("POST", "app-passwords", {"account": address, "name": "phone"}).body
        wait_until(lambda: may_log_in(office, "imap", address, made["password"], sources["imap"]), seconds=5)
        assert all(may_log_in(office, protocol, address, PASSWORD, sources[protocol]) for protocol in ("pop3", "smtp"))
        assert signs_in(office, address, PASSWORD, sources["web"]) == "/mail/"

        def used() -> object:
            return office.appliance.api("GET", f"app-passwords/{made['id']}").body["last_used_from"]

        def seen() -> dict[str, str]:
            shown = office.appliance.api("GET", f"accounts/{address}").body
            return {each["protocol"]: each["client_address"] for each in shown["last_logins"]}

        wait_until(lambda: (used(), seen()) == (sources["imap"], sources), seconds=20)


def test_an_account_for_app_passwords_only(office):
    with an_account(office, app_passwords_only=True) as address:
        assert not any(may_log_in(office, protocol, address, PASSWORD) for protocol in DOORS)
        assert signs_in(office, address, PASSWORD, "127.0.0.1") == "/mail/"

        made = office.appliance.api("POST", "app-passwords", {"account": address, "name": "phone"}).body
        wait_until(lambda: may_log_in(office, "pop3", address, made["password"]), seconds=5)


def test_an_account_that_is_tied_to_networks_logs_in_only_there(office):
    with an_account(office, login_networks=["127.8.0.0/16"]) as address:
        assert all(may_log_in(office, protocol, address, PASSWORD, "127.8.1.1") for protocol in DOORS)
        assert signs_in(office, address, PASSWORD, "127.8.1.1") == "/mail/"
        assert not any(may_log_in(office, protocol, address, PASSWORD, "127.9.1.1") for protocol in DOORS)
        assert signs_in(office, address, PASSWORD, "127.9.1.1") == ""

        wait_until(lambda: doors_that_refused(office, address, "network not allowed") == {
            "smtpd", "imapd", "pop3d", "webd"
        }, seconds=5)  # fmt: skip


def doors_that_refused(office: Office, address: str, reason: str) -> set[str]:
    """Which programs have said so in the maillog."""
    said = re.findall(
        rf"(\w+)\[\d+\]: .*{reason}, sasl_username={re.escape(address)}", office.appliance.maillog.read_text()
    )
    return set(said)


def test_guesses_count_over_all_four_doors_and_the_owner_elsewhere_is_let_in(office):
    guesser, owner = "127.77.7.7", "127.66.6.6"
    with an_account(office) as address:
        for number in range(4):  # 12 failures of 12 names count as 23
            for protocol in DOORS:
                may_log_in(office, protocol, f"guess{protocol}{number}@{DOMAIN}", "wrong", guesser)

        for protocol, wanted in (("smtp", "454"), ("imap", "a NO [UNAVAILABLE]"), ("pop3", "-ERR [SYS/TEMP]")):
            with line(office, protocol, guesser) as client, pytest.raises(SaslRefused) as refused:
                client.log_in("PLAIN", plain(address, PASSWORD))
            assert str(refused.value).startswith(wanted)
        assert signs_in(office, address, PASSWORD, guesser) == ""

        assert all(may_log_in(office, protocol, address, PASSWORD, owner) for protocol in DOORS)
        assert signs_in(office, address, PASSWORD, owner) == "/mail/"


def test_who_was_right_from_there_lately_is_let_in_by_every_door(office):
    shared = "127.55.5.5"
    with an_account(office) as address:
        assert may_log_in(office, "imap", address, PASSWORD, shared)
        for number in range(12):
            may_log_in(office, "pop3", f"guess{number}@{DOMAIN}", "wrong", shared)

        assert all(may_log_in(office, protocol, address, PASSWORD, shared) for protocol in DOORS)
        assert signs_in(office, address, PASSWORD, shared) == "/mail/"
        with an_account(office) as stranger:
            assert not may_log_in(office, "imap", stranger, PASSWORD, shared)
