"""What issue number one is about: an alias delivered to two people, strangers refused, within a second."""

import pytest

from tests.interop.conftest import DOMAIN, Office, run


def swaks(office: Office, to: str, *more: str) -> str:
    return run("swaks", "--server", "127.0.0.1", "--port", str(office.ports["smtp"]), "--to", to,
               "--from", "outside@example.net", "--timeout", "20", *more)  # fmt: skip


def test_an_alias_is_delivered_to_both(office):
    swaks(office, f"sales@{DOMAIN}", "--header", "Subject: for both")

    office.wait_for(office.alice, "for both", seconds=1)
    office.wait_for(office.bob, "for both", seconds=1)


def test_an_unknown_user_is_refused(office):
    with pytest.raises(AssertionError, match=r"550 5\.1\.1"):
        swaks(office, f"nobody@{DOMAIN}")


def test_a_new_account_takes_mail_within_a_second(office):
    office.appliance.api("PUT", f"accounts/carol@{DOMAIN}/", {
        "address": f"carol@{DOMAIN}", "password": office.password,
    })  # fmt: skip

    swaks(office, f"carol@{DOMAIN}", "--header", "Subject: welcome carol")

    office.wait_for(f"carol@{DOMAIN}", "welcome carol", seconds=2)


def test_submission_over_starttls_and_implicit_tls(office):
    for port, tls in (("submission", "--tls"), ("submissions", "--tls-on-connect")):
        run("swaks", "--server", "127.0.0.1", "--port", str(office.ports[port]), tls, "--auth", "PLAIN",
            "--auth-user", office.alice, "--auth-password", office.password, "--from", office.alice,
            "--to", office.bob, "--header", f"Subject: by {port}")  # fmt: skip

        office.wait_for(office.bob, f"by {port}", seconds=2)
