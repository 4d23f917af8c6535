"""App passwords and OAuth issuers in a browser: on one's own page and in the panel, at both widths."""

import re
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SIZES
from tests.fixtures_appliance import DOMAIN, Appliance

Picture = Callable[[Page, str], None]
PASSWORD = "a long enough secret"
SECRET = re.compile(r"ap-[a-z2-7]{26}")


@pytest.fixture(scope="module")
def person(appliance: Appliance) -> str:
    address = f"alice@{DOMAIN}"
    body = {"address": address, "password": PASSWORD, "login_networks": ["127.0.0.0/8", "2001:db8::/32"]}
    assert appliance.api("PUT", f"accounts/{address}", body).status == 201
    wanted = {"account": address, "name": "an old tablet with a rather long name that has to go somewhere",
              "protocols": ["imap", "smtp"], "networks": ["127.0.0.0/8", "2001:db8:1:2::/64"]}  # fmt: skip
    assert appliance.api("POST", "app-passwords", wanted).status == 201
    with psycopg.connect(appliance.database_url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO account_login SELECT id, 'imap', now() - interval '3 days', %s "
            "FROM account WHERE address = %s",
            ["2001:db8:1234:5678:9abc:def0:1234:5678", address],
        )
    return address


def sign_in(page: Page, address: str, password: str, to: str) -> None:
    page.goto(to)
    page.fill("input[name=username]", address)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")


def at_both_widths(page: Page, picture: Picture, name: str) -> None:
    """A picture at each; nothing sticks out at the side."""
    for size in ("phone", "desktop"):
        page.set_viewport_size(SIZES[size])
        picture(page, f"{name}-{size}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"


def test_somebody_makes_and_revokes_an_app_password(
    appliance: Appliance, person: str, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    page = open_page(appliance.url, "desktop")
    sign_in(page, person, PASSWORD, "/mail/login/")
    page.click("details.account summary")
    page.click("text=Account and app passwords")
    page.fill("#id_name", "phone")
    page.uncheck("input[value=pop3]")
    page.fill("#id_current_password", "not it")
    page.click("text=Make app password")
    expect(page.locator("#id_current_password + .problem")).to_have_text("This is not your password.")
    at_both_widths(page, picture, "own-account-not-my-password")
    page.fill("#id_current_password", PASSWORD)
    page.click("text=Make app password")

    expect(page.locator("#secret")).to_have_text(SECRET)
    at_both_widths(page, picture, "own-account-made")

    page.goto("/mail/account/")
    expect(page.locator("#secret")).to_have_count(0)
    at_both_widths(page, picture, "own-account")
    page.click("button[aria-label='Revoke phone']")
    expect(page.locator("#notices")).to_contain_text("“phone” is revoked")
    expect(page.locator("button[aria-label='Revoke phone']")).to_have_count(0)

    page.fill("#id_name", "laptop")
    page.click("text=Only from certain networks")
    page.fill("textarea[name=networks]", "192.0.2.1/24")
    page.fill("#id_current_password", PASSWORD)
    page.click("text=Make app password")
    expect(page.locator(".problem")).to_contain_text("is not a network")
    at_both_widths(page, picture, "own-account-wrong")
    # The page with a mistake in it is answered with 400, which a browser says on its console.
    assert [said for said in page.complaints if "400" not in said] == []  # type: ignore[attr-defined]


def test_an_administrator_makes_and_revokes_one_for_somebody(
    appliance: Appliance, person: str, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    page = open_page(appliance.url, "desktop")
    sign_in(page, appliance.admin, appliance.admin_password, "/admin/")
    page.goto("/admin/directory/account/?q=alice")
    at_both_widths(page, picture, "accounts")
    page.click(f"#result_list a:has-text('{person}')")
    page.click("#app-passwords >> text=Make one")
    at_both_widths(page, picture, "new-app-password")
    page.fill("input[name=name]", "scanner")
    page.click("button:has-text('Make app password')")

    expect(page.locator("#secret")).to_have_text(SECRET)
    at_both_widths(page, picture, "app-password-made")

    page.click("text=Done")
    expect(page.locator("#app-passwords")).to_contain_text("scanner")
    at_both_widths(page, picture, "account-with-app-passwords")
    page.click("button[aria-label='Revoke scanner']")
    expect(page.locator("body")).to_contain_text("is revoked")
    assert page.complaints == []  # type: ignore[attr-defined]


def test_an_administrator_trusts_an_issuer(
    appliance: Appliance, open_page: Callable[[str, str], Page], picture: Picture
) -> None:
    page = open_page(appliance.url, "desktop")
    sign_in(page, appliance.admin, appliance.admin_password, "/admin/")
    page.goto("/admin/directory/oauthissuer/")
    at_both_widths(page, picture, "oauth-issuers")
    page.goto("/admin/directory/oauthissuer/add/")
    page.fill("[name=issuer]", "https://id.example.org")
    page.fill("[name=audience]", "mail")
    page.fill("[name=jwks_url]", "ftp://id.example.org/")
    page.click("button[name=_save]")
    expect(page.locator("body")).to_contain_text("An address that begins with https://")
    at_both_widths(page, picture, "oauth-issuer-wrong")

    page.fill("[name=jwks_url]", "https://id.example.org/jwks")
    page.click("button[name=_save]")

    expect(page.locator("#result_list")).to_contain_text("https://id.example.org")
    at_both_widths(page, picture, "oauth-issuers-with-one")
    assert page.complaints == []  # type: ignore[attr-defined]
