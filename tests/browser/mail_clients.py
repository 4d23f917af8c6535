"""Mail clients of an appliance's administrator, for pages that show who is connected."""

import imaplib
import poplib
import ssl

from tests.fixtures_appliance import Appliance


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


def pop3_client(appliance: Appliance) -> poplib.POP3_SSL:
    client = poplib.POP3_SSL("127.0.0.1", appliance.ports.pop3s, context=trusting(), timeout=30)
    client.user(appliance.admin)
    client.pass_(appliance.admin_password)
    return client


def said_last(client: imaplib.IMAP4_SSL) -> bytes:
    client.sock.settimeout(10)
    return client.file.readline()
