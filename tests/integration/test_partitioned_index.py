"""The index in partitions by mailbox (docs/scaling.md): statements work as they are, and look into one partition."""

import imaplib
import smtplib

import pytest

from tests.fakes.mail_node import MailNode, make_site
from tests.fixtures_servers import ROOT
from tests.integration.smtp_server import DOMAIN, PASSWORD, encoded_password, prepare_database

USER = f"alice@{DOMAIN}"


def recipe() -> str:
    """The SQL of the page, as an administrator copies it where there are no roles."""
    page = (ROOT / "docs" / "scaling.md").read_text()
    lines = page.partition("```sql\n")[2].partition("```")[0].splitlines()
    return "\n".join(line for line in lines if not line.startswith("GRANT"))


@pytest.fixture
def site(servers, tmp_path):
    site = make_site(servers, tmp_path / "home")
    prepare_database(site.database_url)
    site.execute("UPDATE server_settings SET plaintext_auth = 'mynetworks'")
    site.execute(
        "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
        " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
        " VALUES (%s, %s, %s, '', 0, true, 'maildir', true, true, true, false, false, now())",
        (USER, DOMAIN, encoded_password()),
    )
    yield site
    servers.drop_database(site.database_url)


def use(site):
    """What people do with a mailbox."""
    with smtplib.SMTP("127.0.0.1", site.ports["smtp"], timeout=20) as client:
        for number in range(20):
            client.sendmail("bob@elsewhere.example", [USER], f"Subject: {number}\r\n\r\nBody\r\n")
    client = imaplib.IMAP4("127.0.0.1", site.ports["imap"], timeout=20)
    client.login(USER, PASSWORD)
    client.create("Archive")
    [count] = client.select()[1]
    assert client.fetch("1:*", "(UID FLAGS ENVELOPE BODYSTRUCTURE)")[0] == "OK"
    assert client.store("1:3", "+FLAGS", "\\Deleted")[0] == "OK"
    assert client.expunge()[0] == "OK"
    assert client.copy("1:2", "Archive")[0] == "OK"
    assert client.uid("MOVE", "1:*", "Archive")[0] == "OK"
    assert client.append("Archive", None, None, b"Subject: appended\r\n\r\nBody\r\n")[0] == "OK"
    assert client.select("Archive") == ("OK", [b"%d" % (int(count) - 3 + 2 + 1)])
    assert client.search(None, "SUBJECT", "appended")[0] == "OK"
    client.logout()


def test_the_recipe_of_the_page_partitions_an_index_that_is_in_use(site):
    node = MailNode(site)
    node.start()
    use(site)
    node.stop()
    before = site.execute("SELECT mailbox_id, uid, store_key FROM message ORDER BY 1, 2")

    site.execute(recipe())

    assert site.execute("SELECT mailbox_id, uid, store_key FROM message ORDER BY 1, 2") == before
    node.start()
    try:
        with imaplib.IMAP4("127.0.0.1", site.ports["imap"], timeout=20) as client:
            client.login(USER, PASSWORD)
            client.select("Archive")
            client.store("1:*", "+FLAGS", "\\Deleted")
            client.expunge()
            client.delete("Archive")
        use(site)
    finally:
        node.stop()
    used = {str(name) for (name,) in site.execute("SELECT DISTINCT tableoid::regclass::text FROM message")}
    assert used
    assert used <= {f"message_{number}" for number in range(4)}
    plan = str(site.execute("EXPLAIN SELECT uid, flags FROM message WHERE mailbox_id = 1 ORDER BY uid"))
    assert plan.count(" on message_") == 1
