"""Who is connected, in a browser on a running appliance: seen in the list, ended there and on the account's page."""

import imaplib
import poplib
import ssl
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_administration import Picture, log_in
from tests.fixtures_appliance import Appliance
from tests.fixtures_servers import wait_until

LIST = "/admin/status/clientsession/"


def trusting() -> ssl.SSLContext:
    """The appliance's certificate is its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def imap_client(appliance: Appliance, name: str) -> imaplib.IMAP4_SSL:
    imaplib.Commands["ID"] = ("NONAUTH", "AUTH", "SELECTED")
    client = imaplib.IMAP4_SSL("127.0.0.1", appliance.ports.imaps, ssl_context=trusting(), timeout=30)
    client._simple_command("ID", f'("name" "{name}" "version" "115.3" "os" "Linux")')
    client.login(appliance.admin, appliance.admin_password)
    client.select("INBOX")
    return client


@pytest.fixture(scope="module")
def clients(appliance: Appliance) -> Iterator[list[imaplib.IMAP4_SSL]]:
    found = [imap_client(appliance, name) for name in ("Thunderbird", "Mutt", "Evolution")]
    pop3 = poplib.POP3_SSL("127.0.0.1", appliance.ports.pop3s, context=trusting(), timeout=30)
    pop3.user(appliance.admin)
    pop3.pass_(appliance.admin_password)
    yield found
    pop3.close()
    for client in found:
        client.shutdown()


def listed(page: Page) -> int:
    page.reload()
    return page.locator("#result_list tr:has(input.action-select)").count()


def account_page(page: Page, appliance: Appliance) -> None:
    page.goto(f"/admin/directory/account/?q={appliance.admin}")
    page.click(f"#result_list a:has-text('{appliance.admin}')")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_clients_are_listed_with_all_that_is_known_of_them(
    appliance: Appliance, clients: list, open_page: Callable[[str, str], Page], picture: Picture, size: str
) -> None:
    page = log_in(open_page(appliance.url, size), appliance)

    page.goto(LIST)
    wait_until(lambda: listed(page) == 4, what="four sessions are listed")

    text = page.inner_text("#result_list")
    for words in ("Thunderbird 115.3, Linux", "Mutt", "Evolution", "INBOX", "127.0.0.1", "POP3", "active"):
        assert words in text
    picture(page, f"connected-clients-{size}")
    account_page(page, appliance)
    expect(page.locator("h2", has_text="Connected clients")).to_be_visible()
    expect(page.locator("h2", has_text="Mailboxes")).to_be_visible()
    picture(page, f"account-sessions-{size}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_chosen_sessions_and_then_all_of_an_account_are_ended(
    appliance: Appliance, clients: list, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    page = log_in(open_page(appliance.url, "desktop"), appliance)
    thunderbird, mutt, evolution = clients

    page.goto(f"{LIST}?client_id=Mutt")
    page.check("#result_list tbody input.action-select")
    page.select_option("select[name=action]", "end")
    page.click("button[name=index], button:has-text('Run')")
    expect(page.locator("body")).to_contain_text("1 session will be ended within three seconds.")

    assert said_last(mutt) == b"* BYE Ended by the administrator\r\n"
    assert thunderbird.noop()[0] == "OK"
    account_page(page, appliance)
    page.click("button:has-text('End all sessions')")
    expect(page.locator("body")).to_contain_text("sessions will be ended within three seconds.")
    assert said_last(thunderbird) == said_last(evolution) == b"* BYE Ended by the administrator\r\n"
    page.goto("/admin/audit/auditentry/")
    assert page.inner_text("#result_list").count("connected client") == 2
    assert page.complaints == []  # type: ignore[attr-defined]


def said_last(client: imaplib.IMAP4_SSL) -> bytes:
    client.sock.settimeout(10)
    return client.file.readline()
