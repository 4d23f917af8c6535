"""Webmail and API of a whole running appliance: what is written in the browser arrives, gunicorn and all."""

import re

import pytest
import requests

from tests.fixtures_appliance import Appliance
from tests.fixtures_servers import wait_until

PASSWORD = "correct horse battery"
ALICE = "alice@linuxadmin.dev"


@pytest.fixture(scope="module")
def alice(appliance: Appliance) -> requests.Session:
    """Signed in to webmail."""
    assert appliance.api("PUT", "domains/linuxadmin.dev/", {}).status == 201
    assert appliance.api("PUT", f"accounts/{ALICE}/", {"password": PASSWORD}).status == 201
    session = requests.Session()
    session.get(f"{appliance.url}/mail/login/")
    answer = session.post(
        f"{appliance.url}/mail/login/",
        {"username": ALICE, "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]},
    )
    assert "Inbox" in answer.text
    return session


def test_written_in_the_browser_it_arrives(appliance: Appliance, alice: requests.Session):
    answer = alice.post(
        f"{appliance.url}/mail/compose/",
        {
            "to": ALICE, "subject": "To myself", "text": "from webmail", "sender": ALICE,
            "csrfmiddlewaretoken": alice.cookies["csrftoken"],
        },
        files={"files": ("note.txt", b"attached")},
    )  # fmt: skip
    assert "on its way" in answer.text

    inbox = answer.url
    wait_until(lambda: "To myself" in alice.get(inbox).text, seconds=20, what="the message arrives")
    (address,) = re.findall(r'href="(/mail/folder/\d+/\d+/)"', alice.get(inbox).text)
    page = alice.get(appliance.url + address).text
    assert "from webmail" in page and "note.txt" in page
    assert alice.get(f"{appliance.url}{address}part/2/").content == b"attached"
    assert "Mailkeep" in alice.get(f"{appliance.url}{address}headers/").text


def test_static_files_come_from_here(appliance: Appliance, alice: requests.Session):
    page = alice.get(f"{appliance.url}/mail/").text
    found = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)

    assert len(found) >= 4
    for address in found:
        assert alice.get(appliance.url + address).status_code == 200, address
    for address in ("/api/v1/docs/", "/api/v1/schema/?format=json"):
        assert alice.get(appliance.url + address).status_code == 200
