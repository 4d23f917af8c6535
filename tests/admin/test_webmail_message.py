"""One message: shown safely, whatever it contains, and only to whom it belongs."""

from pathlib import Path

import pytest

from mailadmin.webmail.policy import PAGE
from mailadmin.webmail.views import messages
from mailcore.index.records import SEEN
from tests.admin.webmail_support import PIXEL, a_message, a_message_with_file, a_reader, an_html_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(settings, mail_home: Path, redis_url):
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    return a_reader("alice@linuxadmin.dev", mail_home)


def policy(response) -> str:
    return response.headers["Content-Security-Policy"]


def test_a_plain_message(alice):
    uid = alice.receive(a_message("Plan", "see https://plans.example/x?a=1&b=2.\n\n> quoted\n>> deeper\n"))
    page = alice.page(alice.url(uid))

    assert "<h1>Plan</h1>" in page and "Ann Example &lt;ann@far.example&gt;" in page
    assert '<a href="https://plans.example/x?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow">' in page
    assert '<div class="quote-1">quoted</div>' in page and '<div class="quote-2">deeper' in page
    assert "<iframe" not in page


def test_looking_marks_as_read(alice):
    uid = alice.receive(a_message())
    alice.page(alice.url(uid))

    assert alice.flags(uid) == SEEN


def test_markup_in_a_plain_message_is_text(alice):
    uid = alice.receive(a_message("<b>x</b>", '<script>alert(1)</script> javascript:alert(2) http://a.example/"onx=1'))
    page = alice.page(alice.url(uid))

    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert '<a href="http://a.example/"' in page and 'href="javascript' not in page


HOSTILE = """
<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)></svg><iframe src="http://e.example"></iframe>
<form action="http://e.example"><input></form><a href="javascript:alert(4)">a</a><base href="http://e.example/">
<meta http-equiv=refresh content="0;url=http://e.example"><link rel=stylesheet href="http://e.example/x.css">
<style>@import "http://e.example"</style><object data="http://e.example"></object>
<p style="position:fixed;top:0">cover</p>
<img src="http://tracker.example/1.gif"><img src="cid:pic@x"><p>the offer</p>
"""


def test_hostile_html_reaches_the_frame_only_sanitised(alice):
    uid = alice.receive(an_html_message(HOSTILE))
    outer = alice.page(alice.url(uid))
    response = alice.client.get(alice.url(uid, "html/"))
    inner = response.content.decode()

    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in outer and "the offer" not in outer
    assert "the offer" in inner
    for evil in ("<script", "onerror", "onload", "<iframe", "<form", "javascript:", "e.example", "tracker", "fixed"):
        assert evil not in inner, evil
    assert policy(response).startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert "https:" not in policy(response) and "script-src" not in policy(response)
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_remote_pictures_only_when_asked_for(alice):
    uid = alice.receive(an_html_message(HOSTILE))

    assert "Pictures from other servers are not loaded" in alice.page(alice.url(uid))
    asked = alice.page(alice.url(uid), images="1")
    assert "html/?images=1" in asked and "are not loaded" not in asked
    response = alice.client.get(alice.url(uid, "html/"), {"images": "1"})
    assert "http://tracker.example/1.gif" in response.content.decode()
    assert "img-src http://testserver data: https: http:" in policy(response)


def test_html_or_text_as_the_reader_likes(alice):
    uid = alice.receive(an_html_message("<p>rich</p>", text="poor"))

    assert "Show as plain text" in alice.page(alice.url(uid))
    as_text = alice.page(alice.url(uid), **{"as": "text"})
    assert "poor" in as_text and "<iframe" not in as_text and "Show as formatted" in as_text
    alice.page(alice.url(alice.receive(a_message()), "html/"), status=404)


def the_picture(alice, uid: int) -> str:
    inner = alice.client.get(alice.url(uid, "html/")).content.decode()
    return inner.partition('src="http://testserver')[2].partition('"')[0]


def test_the_message_s_own_picture_needs_no_cookie_but_a_signature(alice, client):
    uid = alice.receive(an_html_message('<img src="cid:pic@x">'))
    address = the_picture(alice, uid)
    response = client.get(address)

    assert response.status_code == 200 and response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(address[:-3] + "x/").status_code == 404
    alice.account.enabled = False
    alice.account.save()
    assert client.get(address).status_code == 404


def test_a_picture_s_address_does_not_open_other_parts(alice, client):
    uid = alice.receive(an_html_message('<img src="cid:pic@x">').replace("image/png", "image/svg+xml"))
    address = the_picture(alice, uid)

    assert address == "" or client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ('"report.pdf"', "report.pdf"),
        ('"../../etc/passwd"', "passwd"),
        ('"a\\"b;c.pdf"', None),
        ('"evil.html"', "evil.html"),
        ('"x\r\nSet-Cookie: a=b"', None),
        ("=?utf-8?B?w7xiZXIucGRm?=", "über.pdf"),
    ],
)
def test_attachments_are_downloads_whatever_they_are_called(alice, name, seen):
    uid = alice.receive(a_message_with_file(name, "text/html", "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="))
    page = alice.page(alice.url(uid))
    response = alice.client.get(alice.url(uid, "part/2/"))

    disposition = response.headers["Content-Disposition"]
    assert "/part/2/" in page
    assert disposition.startswith("attachment") and "/" not in disposition and "\n" not in disposition
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert policy(response).startswith("sandbox; default-src 'none'")
    assert "Set-Cookie" not in response.headers
    assert response.content == b"<script>alert(1)</script>"
    if seen:
        assert seen in page


def test_only_pictures_may_be_viewed(alice):
    picture = alice.receive(a_message_with_file('"p.png"', "image/png", PIXEL))
    page = alice.receive(a_message_with_file('"p.html"', "text/html"))

    response = alice.client.get(alice.url(picture, "part/2/"), {"view": "1"})
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"].startswith("inline")
    response = alice.client.get(alice.url(page, "part/2/"), {"view": "1"})
    assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("number", ["9", "0", "1.1.1", "x", "-1", "1e3", "9" * 50])
def test_parts_that_are_not_there(alice, number):
    uid = alice.receive(a_message())

    alice.page(alice.url(uid, f"part/{number}/"), status=404)


RECEIVED = """\
Received: from mx.far.example (mx.far.example [192.0.2.10])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby mx.linuxadmin.dev (Mailkeep) with ESMTPS id 3QXK5ZTV2N8M; Sun, 22 Nov 2026 10:02:11 +0000
Received: from laptop ([203.0.113.17]) by mx.far.example (Postfix) with ESMTP id 4B2F;
\tSun, 22 Nov 2026 10:00:02 +0000
"""


def test_the_journey(alice):
    page = alice.page(alice.url(alice.receive(RECEIVED + a_message()), "journey/"))

    assert page.index("laptop") < page.index("mx.far.example") < page.index("mx.linuxadmin.dev")
    assert "2 hosts, 2 min 9 s from first to last" in page
    assert page.index("not encrypted") < page.index("TLSv1.3")
    assert "TLS_AES_256_GCM_SHA384" in page and "3QXK5ZTV2N8M" in page
    assert "What this server knows" not in page, "the trace is for administrators"


def test_a_journey_with_lies_in_it(alice):
    lies = "Received: from <script>x</script> by <b>y</b>; never\nReceived: nonsense ((((\nReceived:\n"
    page = alice.page(alice.url(alice.receive(lies + a_message()), "journey/"))

    assert "<script>x" not in page and "<b>y" not in page


def test_a_message_that_never_travelled(alice):
    assert "no Received fields" in alice.page(alice.url(alice.receive(a_message()), "journey/"))


def test_administrators_get_to_the_trace(alice):
    alice.account.is_staff = alice.account.is_superuser = True
    alice.account.save()
    uid = alice.receive(RECEIVED + a_message())
    alice.page(alice.list_url())

    assert "/admin/trace/?message_id=%3C1%40far.example%3E" in alice.page(alice.url(uid, "journey/"))


def test_headers_and_source(alice):
    uid = alice.receive(a_message("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", X_Odd="<i>odd</i>"))

    headers = alice.page(alice.url(uid, "headers/"))
    assert "Grüße" in headers and "&lt;i&gt;odd&lt;/i&gt;" in headers
    assert "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=" in alice.page(alice.url(uid, "source/"))


def test_the_raw_message_is_the_wire_form(alice):
    text = a_message()
    response = alice.client.get(alice.url(alice.receive(text), "raw/"))

    assert b"".join(response) == text.replace("\n", "\r\n").encode()
    assert response.headers["Content-Disposition"].startswith('attachment; filename="message-1.eml"')


def test_a_long_source_is_cut(alice, monkeypatch):
    monkeypatch.setattr(messages, "MAX_SOURCE", 100)
    page = alice.page(alice.url(alice.receive(a_message(body="x" * 1000)), "source/"))

    assert "The beginning of" in page and "x" * 200 not in page


def test_a_message_that_breaks_the_display_can_still_be_had(alice, monkeypatch):
    monkeypatch.setattr(messages, "show", lambda *args, **kwargs: 1 / 0)
    uid = alice.receive(a_message())
    page = alice.page(alice.url(uid))

    assert "cannot be taken apart" in page and "source/" in page
    alice.page(alice.url(uid, "source/"))


def test_neighbours(alice):
    one, two, three = (alice.receive(a_message(f"Number {n}")) for n in range(3))
    page = alice.page(alice.url(two))

    assert f'data-next="{alice.url(one)}"' in page and f'data-previous="{alice.url(three)}"' in page


VIEWS = ["", "journey/", "headers/", "source/", "html/", "raw/", "part/1/"]


@pytest.mark.parametrize("view", VIEWS)
def test_other_people_s_messages_do_not_exist(alice, mail_home, view):
    bob = a_reader("bob@linuxadmin.dev", mail_home)
    uid = bob.receive(an_html_message("<p>secret</p>"))

    assert bob.client.get(bob.url(uid, view)).status_code == 200
    response = alice.client.get(bob.url(uid, view))
    assert response.status_code == 404 and b"secret" not in response.content


def test_other_people_s_folders_do_not_exist(alice, mail_home):
    bob = a_reader("bob@linuxadmin.dev", mail_home)
    uid = bob.receive(a_message())

    assert alice.client.get(bob.list_url()).status_code == 404
    assert alice.client.get(f"{bob.list_url()}news/").status_code == 404
    assert alice.client.post(f"{bob.list_url()}act/", {"action": "read", "uid": uid}).status_code == 404
    assert alice.client.post(f"{bob.list_url()}delete/").status_code == 404
    assert bob.flags(uid) == 0


@pytest.mark.parametrize("view", ["", "1/", "1/html/", "1/raw/", "1/part/1/", "news/"])
def test_without_signing_in_there_is_nothing(alice, client, view):
    alice.receive(a_message())
    response = client.get(alice.list_url() + view)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/mail/login/?next=/mail/folder/")


def test_every_page_has_the_strict_policy_and_nothing_inline(alice):
    uid = alice.receive(RECEIVED + an_html_message("<p>x</p>"))
    for url in [alice.list_url(), *(alice.url(uid, view) for view in VIEWS[:4]), "/mail/folder/999/"]:
        response = alice.client.get(url)
        page = response.content.decode()
        assert policy(response) == PAGE
        assert "style=" not in page and "<style" not in page and "<script>" not in page and " onclick" not in page
        assert "no-store" in response.headers["Cache-Control"]
        assert "https://" not in page and "http://" not in page


def test_numbers_beyond_everything_are_not_found(alice):
    far = 10**30
    for url in (f"/mail/folder/{far}/", f"/mail/folder/{far}/{far}/", alice.url(far), alice.url(far, "raw/")):
        assert alice.client.get(url).status_code == 404
