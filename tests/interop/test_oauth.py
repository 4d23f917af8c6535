"""OAUTHBEARER and XOAUTH2 over SMTP, IMAP and POP3 against a small issuer on this machine, and by curl."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest

from tests.fakes.oauth_issuer import AUDIENCE, OauthIssuer
from tests.fakes.sasl_client import SaslRefused
from tests.fixtures_servers import wait_until
from tests.interop.conftest import Office, run
from tests.interop.test_sasl import DOORS, line


@pytest.fixture(scope="module")
def issuer(office: Office) -> Iterator[OauthIssuer]:
    """Trusted by the appliance; afterwards nobody is."""
    made = OauthIssuer()
    made.add_key("one")
    body = {"issuer": made.url, "audience": AUDIENCE, "jwks_url": made.jwks_url}
    answer = office.appliance.api("POST", "oauth-issuers", body)
    assert answer.status == 201, answer
    for protocol in DOORS:
        wait_until(lambda protocol=protocol: offers(office, protocol), seconds=5)
    yield made
    office.appliance.api("DELETE", f"oauth-issuers/{answer.body['id']}")
    wait_until(lambda: not any(offers(office, protocol) for protocol in DOORS), seconds=5)
    made.close()


def offers(office: Office, protocol: str) -> bool:
    with line(office, protocol) as client:
        return b"OAUTHBEARER" in client.offer and b"XOAUTH2" in client.offer


class Bearer:
    """A client's side of both; keeps what it was told instead of being let in."""

    def __init__(self, mechanism: str, name: str, token: str) -> None:
        self.told = b""
        auth = f"\x01auth=Bearer {token}\x01\x01"
        self.first = (f"n,a={name},{auth}" if mechanism == "OAUTHBEARER" else f"user={name}{auth}").encode()
        self.last = b"\x01" if mechanism == "OAUTHBEARER" else b""

    def __call__(self, challenge: bytes) -> bytes:
        if not challenge:
            return self.first
        self.told = challenge
        return self.last


@pytest.mark.parametrize("protocol", DOORS)
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_token_opens(office, issuer, person, protocol, mechanism):
    with line(office, protocol) as client:
        client.log_in(mechanism, Bearer(mechanism, person, issuer.token(person)))


@pytest.mark.parametrize("protocol", DOORS)
def test_a_long_token_opens(office, issuer, protocol):
    """Those of large providers have some 3,000 octets; in base64 once more."""
    token = issuer.token(office.alice, groups=["g" * 30] * 100)
    assert len(token) > 4000

    with line(office, protocol) as client:
        client.log_in("OAUTHBEARER", Bearer("OAUTHBEARER", office.alice, token))


@pytest.mark.parametrize("protocol", DOORS)
@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_a_token_that_does_not_do_is_told_in_json_and_refused(office, issuer, protocol, mechanism):
    wrong = (
        Bearer(mechanism, office.alice, issuer.token(office.alice, exp=int(time.time()) - 600)),
        Bearer(mechanism, office.alice, issuer.token(office.bob)),
        Bearer(mechanism, office.alice, issuer.token(office.alice, aud="another")),
        Bearer(mechanism, "nobody@linuxadmin.dev", issuer.token("nobody@linuxadmin.dev")),
    )

    for respond in wrong:
        with line(office, protocol) as client, pytest.raises(SaslRefused) as refused:
            client.log_in(mechanism, respond)
        assert json.loads(respond.told)["status"] in ("invalid_token", "401")
        assert str(refused.value).startswith(
            {"smtp": "535", "imap": "a NO [AUTHENTICATIONFAILED]", "pop3": "-ERR [AUTH]"}[protocol]
        )


@pytest.mark.parametrize(("scheme", "port"), [("imaps", "imaps"), ("pop3s", "pop3s")])
def test_curl_shows_a_token(office, issuer, person, scheme, port):
    run("curl", "--silent", "--show-error", "--insecure", "--max-time", "20", "--user", f"{person}:",
        "--oauth2-bearer", issuer.token(person), f"{scheme}://127.0.0.1:{office.ports[port]}/")  # fmt: skip


def test_curl_sends_with_a_token(office, issuer, tmp_path):
    message = tmp_path / "message"
    message.write_bytes(f"From: {office.alice}\r\nTo: {office.bob}\r\nSubject: by token\r\n\r\nx\r\n".encode())

    run("curl", "--silent", "--show-error", "--insecure", "--max-time", "20", "--user", f"{office.alice}:",
        "--oauth2-bearer", issuer.token(office.alice), "--ssl-reqd", "--mail-from", office.alice, "--mail-rcpt",
        office.bob, "-T", str(message), f"smtp://127.0.0.1:{office.ports['submission']}/client.example")  # fmt: skip

    office.wait_for(office.bob, "by token")


def test_an_issuer_that_is_away_is_not_a_wrong_token(office, issuer):
    """A second one, which never answers: the client is told to come again."""
    away = OauthIssuer()
    away.add_key("one")
    away.broken = True
    body = {"issuer": away.url, "audience": AUDIENCE, "jwks_url": away.jwks_url}
    made = office.appliance.api("POST", "oauth-issuers", body).body
    wanted = {"smtp": "454", "imap": "a NO [UNAVAILABLE]", "pop3": "-ERR [SYS/TEMP]"}

    def answer(protocol: str) -> str:
        respond = Bearer("OAUTHBEARER", office.alice, away.token(office.alice))
        with line(office, protocol) as client, pytest.raises(SaslRefused) as refused:
            client.log_in("OAUTHBEARER", respond)
        return str(refused.value)

    try:
        for protocol in DOORS:
            wait_until(lambda protocol=protocol: answer(protocol).startswith(wanted[protocol]), seconds=5)
    finally:
        office.appliance.api("DELETE", f"oauth-issuers/{made['id']}")
        away.close()


def test_an_initial_response_may_come_with_the_command(office, issuer):
    first = base64.b64encode(Bearer("OAUTHBEARER", office.alice, issuer.token(office.alice)).first)
    for protocol, verb in (("smtp", b"AUTH"), ("imap", b"a AUTHENTICATE"), ("pop3", b"AUTH")):
        with line(office, protocol) as client:
            client.say(verb + b" OAUTHBEARER " + first)
            assert client.read().startswith((b"235", b"a OK", b"+OK")), protocol
