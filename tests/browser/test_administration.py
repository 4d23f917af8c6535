"""The first hour of an administrator, in a browser on a running appliance: domain, accounts, alias, relay host, mail.

The steps build on each other and share one appliance, so they run in the order of the file.
"""

import imaplib
import smtplib
from collections.abc import Callable, Iterable, Iterator
from email.message import EmailMessage
from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.mail_clients import imap_client, pop3_client, said_last
from tests.fakes.smtp_sink import Script, Sink
from tests.fixtures_appliance import Appliance
from tests.fixtures_servers import wait_until

PASSWORD = "a long enough secret"
BUSY = "450 4.2.0 Mailbox busy, come back in an hour"
PANEL_PAGES = {
    "dashboard": "/admin/",
    "domains": "/admin/directory/domain/",
    "domain": "/admin/directory/domain/linuxadmin.dev/change/",
    "accounts": "/admin/directory/account/",
    "new-account": "/admin/directory/account/add/",
    "aliases": "/admin/directory/alias/",
    "new-alias": "/admin/directory/alias/add/",
    "my-networks": "/admin/transport/mynetwork/",
    "new-network": "/admin/transport/mynetwork/add/",
    "relay-hosts": "/admin/transport/relayhost/",
    "new-relay-host": "/admin/transport/relayhost/add/",
    "transport-rules": "/admin/transport/transportrule/",
    "address-rewriting": "/admin/transport/senderrewrite/",
    "server-settings": "/admin/transport/serversettings/",
    "route": "/admin/route/?recipient=sales%40linuxadmin.dev",
    "queue": "/admin/mailqueue/queuerecipient/",
    "trace": "/admin/trace/",
    "connected-clients": "/admin/status/clientsession/",
    "mailboxes": "/admin/mailboxes/mailbox/",
    "api-tokens": "/admin/api/apitoken/",
    "new-api-token": "/admin/api/apitoken/add/",
    "audit-log": "/admin/audit/auditentry/",
}

Picture = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def remote() -> Iterator[Sink]:
    """The relay host: another server, which at first has no time."""
    with Sink(Script(rcpt=BUSY)) as sink:
        yield sink


@pytest.fixture(scope="module")
def panel(appliance: Appliance, open_page: Callable[[str, str], Page]) -> Page:
    """The panel after logging in, at desktop width."""
    return log_in(open_page(appliance.url, "desktop"), appliance)


def log_in(page: Page, appliance: Appliance) -> Page:
    page.goto("/admin/")
    page.fill("input[name=username]", appliance.admin)
    page.fill("input[name=password]", appliance.admin_password)
    page.click("button[type=submit]")
    expect(page.locator("h1")).to_contain_text("Dashboard")
    return page


def fill(page: Page, **fields: str) -> None:
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)


def save(page: Page) -> None:
    page.click("button[name=_save]")
    expect(page.locator("#result_list, #content-main").first).to_be_visible()
    expect(page.locator(".errornote")).to_have_count(0)


def send(appliance: Appliance, sender: str, recipient: str, *, subject: str, attachment: bytes = b"") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message.set_content("Please find the figures attached.\n")
    if attachment:
        message.add_attachment(attachment, maintype="application", subtype="pdf", filename="figures.pdf")
    with smtplib.SMTP(appliance.host, appliance.ports.smtp, timeout=20) as client:
        client.send_message(message, sender, [recipient])


def test_login_page(appliance: Appliance, open_page: Callable[[str, str], Page], picture: Picture) -> None:
    for size in ("desktop", "phone"):
        page = open_page(appliance.url, size)
        page.goto("/admin/")
        picture(page, f"login-{size}")

        page.fill("input[name=username]", appliance.admin)
        page.fill("input[name=password]", "wrong")
        page.click("button[type=submit]")

        expect(page.locator("body")).to_contain_text("Please enter the correct")


def test_domain_is_created(panel: Page) -> None:
    panel.goto("/admin/directory/domain/add/")
    fill(panel, name="linuxadmin.dev")
    save(panel)

    expect(panel.locator("#result_list")).to_contain_text("linuxadmin.dev")
    expect(panel.locator("body")).to_contain_text("postmaster@linuxadmin.dev")


def test_accounts_are_created(panel: Page) -> None:
    for name in ("alice", "bob"):
        panel.goto("/admin/directory/account/add/")
        fill(panel, address=f"{name}@linuxadmin.dev", password=PASSWORD, quota_bytes="2 GB")
        save(panel)

        expect(panel.locator("#result_list")).to_contain_text(f"{name}@linuxadmin.dev")


def test_alias_to_both_is_created(panel: Page) -> None:
    panel.goto("/admin/directory/alias/add/")
    fill(panel, address="sales@linuxadmin.dev", targets="alice@linuxadmin.dev\nbob@linuxadmin.dev")
    save(panel)

    panel.goto("/admin/route/?recipient=sales@linuxadmin.dev")
    for name in ("alice", "bob"):
        expect(panel.locator(".mk-timeline")).to_contain_text(f"Into the mailbox of {name}@linuxadmin.dev")


def test_an_open_relay_has_to_be_typed_twice(panel: Page, picture: Picture) -> None:
    panel.goto("/admin/transport/mynetwork/add/")
    fill(panel, cidr="0.0.0.0/0")
    panel.click("button[name=_save]")

    expect(panel.locator("#content-main")).to_contain_text("is an open relay")
    picture(panel, "open-relay-refused-desktop")


def test_relay_host_is_set_for_all_mail(panel: Page, remote: Sink) -> None:
    panel.goto("/admin/transport/relayhost/add/")
    fill(panel, next_hop=f"[127.0.0.1]:{remote.port}")
    panel.check("[name=for_all_mail]", force=True)
    save(panel)

    expect(panel.locator("#result_list")).to_contain_text("all outbound mail")


def test_mail_to_the_alias_is_read_in_the_viewer(
    appliance: Appliance, panel: Page, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    send(appliance, "carol@example.com", "sales@linuxadmin.dev", subject="Figures of October", attachment=b"%PDF-1.7 x")

    for name in ("alice", "bob"):
        page = open_page(appliance.url, "desktop" if name == "alice" else "phone")
        page.goto("/mail/")
        fill(page, username=f"{name}@linuxadmin.dev", password=PASSWORD)
        page.click("button[type=submit]")
        page.click("text=Figures of October")
        expect(page.locator("body")).to_contain_text("Please find the figures attached.")
        picture(page, f"viewer-{'desktop' if name == 'alice' else 'phone'}")

        with page.expect_download() as download:
            page.click("a:has-text('figures.pdf')")
        assert download.value.suggested_filename == "figures.pdf"
        assert Path(download.value.path()).read_bytes() == b"%PDF-1.7 x"


def test_trace_tells_how_it_got_there(panel: Page, picture: Picture) -> None:
    def found() -> bool:
        panel.goto("/admin/trace/?q=sales@linuxadmin.dev")
        return panel.locator("a[href*='/admin/trace/message/']").count() > 0

    wait_until(found, seconds=5, what="the message is in the trace")
    panel.locator("a[href*='/admin/trace/message/']").first.click()

    timeline = panel.locator(".mk-timeline")
    expect(timeline).to_contain_text("sales@linuxadmin.dev was expanded")
    expect(timeline).to_contain_text("Delivered to alice@linuxadmin.dev")
    expect(timeline).to_contain_text("Delivered to bob@linuxadmin.dev")
    picture(panel, "trace-message-desktop")


def test_refused_mail_is_on_the_dashboard(appliance: Appliance, panel: Page) -> None:
    with (
        smtplib.SMTP(appliance.host, appliance.ports.smtp, timeout=20) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused),
    ):
        client.sendmail("carol@example.com", ["nobody@linuxadmin.dev"], "Subject: x\r\n\r\nx")

    def shown() -> bool:
        panel.goto("/admin/")
        return "nobody@linuxadmin.dev" in panel.locator("body").inner_text()

    wait_until(shown, seconds=5, what="the refusal is on the dashboard")


def test_deferred_mail_waits_with_the_remote_servers_words_and_is_retried(
    appliance: Appliance, panel: Page, remote: Sink, picture: Picture
) -> None:
    send(appliance, "alice@linuxadmin.dev", "dave@elsewhere.example", subject="Hello Dave")

    def deferred() -> bool:
        panel.goto("/admin/mailqueue/queuerecipient/")
        return BUSY in panel.locator("body").inner_text()

    wait_until(deferred, seconds=20, what="the queue shows the remote server's words")
    picture(panel, "queue-deferred-desktop")
    panel.locator("#result_list a.mk-link").first.click()
    expect(panel.locator(".mk-timeline")).to_contain_text("Deferred for dave@elsewhere.example")
    expect(panel.locator("pre")).to_contain_text("Subject: Hello Dave")
    picture(panel, "queue-message-desktop")

    remote.script.rcpt = "250 2.1.5 ok"
    panel.click("text=Try again now")
    expect(panel.locator("body")).to_contain_text("will be tried again at once")
    picture(panel, "queue-confirm-desktop")
    panel.click("button:has-text('Try again now')")
    expect(panel.locator("body")).to_contain_text("1 recipient will be tried again now")

    wait_until(lambda: remote.received, seconds=20, what="the relay host got the message")
    assert remote.received[0].recipients == ["dave@elsewhere.example"]


def test_hold_and_delete_from_the_list(appliance: Appliance, panel: Page, remote: Sink) -> None:
    remote.script.rcpt = BUSY
    send(appliance, "alice@linuxadmin.dev", "erin@elsewhere.example", subject="Hello Erin")

    def waiting() -> bool:
        panel.goto("/admin/mailqueue/queuerecipient/?q=erin")
        return BUSY in panel.locator("body").inner_text()

    wait_until(waiting, seconds=20)
    for action, result in (("hold", "1 recipient on hold"), ("delete", "1 recipient deleted from the queue")):
        panel.goto("/admin/mailqueue/queuerecipient/?q=erin")
        panel.locator("#result_list input.action-select").first.check(force=True)
        panel.select_option("select[name=action]", action)
        panel.click("button[name=index]")
        panel.locator("#content form button[type=submit]").click()
        expect(panel.locator("body")).to_contain_text(result)


def batches(items: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    """Lists of so many."""
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_page_fits_and_loads_nothing_from_elsewhere(
    appliance: Appliance, open_page: Callable[[str, str], Page], picture: Picture, size: str
) -> None:
    page = log_in(open_page(appliance.url, size), appliance)
    asked: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    # That a page asks for nothing more is seen half a second later: several tabs wait for that together.
    tabs = [page, *(page.context.new_page() for _ in range(5))]

    for some in batches(PANEL_PAGES.items(), len(tabs)):
        for tab, (_, address) in zip(tabs, some, strict=False):
            answer = tab.goto(address)
            assert answer is not None and answer.status == 200, address
        for tab, (name, _) in zip(tabs, some, strict=False):
            tab.wait_for_load_state("networkidle")
            picture(tab, f"{name}-{size}")
            assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"

    assert page.complaints == []  # type: ignore[attr-defined]
    assert [url for url in asked if not url.startswith((appliance.url, "data:"))] == []


def test_sidebar_opens_on_a_phone(
    appliance: Appliance, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    page = log_in(open_page(appliance.url, "phone"), appliance)
    expect(page.locator("#nav-sidebar")).to_be_hidden()

    page.locator("#header-inner .material-symbols-outlined:visible").first.click()

    expect(page.locator("#nav-sidebar")).to_be_visible()
    picture(page, "sidebar-phone")
    page.click("#nav-sidebar >> text=Message trace")
    expect(page.locator("h1")).to_contain_text("Message trace")


def test_dark_colours(appliance: Appliance, browser, picture: Picture) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=appliance.url, color_scheme="dark")
    page = log_in(context.new_page(), appliance)

    picture(page, "dashboard-dark")
    shown = page.evaluate("getComputedStyle(document.querySelector('.mk-panel')).backgroundColor")
    context.close()
    assert shown != "rgb(255, 255, 255)"


@pytest.fixture(scope="module")
def clients(appliance: Appliance) -> Iterator[list[imaplib.IMAP4_SSL]]:
    found = [imap_client(appliance, name) for name in ("Thunderbird", "Mutt", "Evolution")]
    pop3 = pop3_client(appliance)
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

    page.goto(PANEL_PAGES["connected-clients"])
    wait_until(lambda: listed(page) == 4, what="four sessions are listed")

    text = page.inner_text("#result_list")
    for words in ("Thunderbird 115.3, Linux", "Mutt", "Evolution", "INBOX", "127.0.0.1", "POP3", "active"):
        assert words in text
    picture(page, f"connected-clients-in-use-{size}")
    account_page(page, appliance)
    expect(page.locator("h2", has_text="Connected clients")).to_be_visible()
    expect(page.locator("h2", has_text="Mailboxes").first).to_be_visible()
    picture(page, f"account-sessions-{size}")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_chosen_sessions_and_then_all_of_an_account_are_ended(
    appliance: Appliance, clients: list, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    page = log_in(open_page(appliance.url, "desktop"), appliance)
    thunderbird, mutt, evolution = clients

    page.goto(f"{PANEL_PAGES['connected-clients']}?client_id=Mutt")
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
