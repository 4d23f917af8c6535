"""mailcore.message.display, .safe_html, .file_name: what people see, and what strangers cannot do to them."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.display import show
from mailcore.message.file_name import MAX_LENGTH, safe_file_name
from mailcore.message.html_budget import MAX_DEPTH, within_budget
from mailcore.message.safe_html import sanitise, to_text
from mailcore.message.saved_part import extract
from tests.unit.mailcore.message.corpus import messages, own
from tests.unit.mailcore.message.test_structure import ANY_MAIL


def shown(name, **how):
    return show(own(name), part_url, **how)


def part_url(number):
    return f"/part/{number}"


def clean(source, *, remote_allowed=False):
    return sanitise(source, {"known@x": "/part/7"}.get, remote_allowed=remote_allowed).html


# Which text


def test_a_plain_message_is_its_text():
    display = shown("plain.eml")

    assert display.text == "At noon?\n.\nGrüße, Ann\n"
    assert (display.html, display.attachments) == ("", ())
    assert display.senders == ("Ann Other <ann@example.net>",)
    assert display.to == ("Builder, Bob <bob@example.org>", "carol@example.org")
    assert display.cc == ("Dave <dave@example.org>",)
    assert display.headers[0] == ("Return-Path", "<ann@example.net>")


def test_of_alternatives_the_frame_gets_the_html_and_readers_of_text_the_text():
    display = shown("newsletter.eml")

    assert display.text == "Café Blau: heute Kuchen.\n"
    assert "<h1>Café Blau</h1>" in display.html
    assert 'src="/part/1.2"' in display.html
    assert display.blocked_remote == 1


def test_a_picture_inside_the_text_is_no_attachment_and_the_others_are():
    (pdf,) = shown("newsletter.eml").attachments

    assert (pdf.number, pdf.name, pdf.content_type, pdf.size_bytes) == ("2", "menu.pdf", "application/pdf", 9)


def test_remote_pictures_come_when_they_are_asked_for():
    display = shown("newsletter.eml", remote_allowed=True)

    assert "https://track.example/p.gif" in display.html
    assert display.blocked_remote == 0


def test_a_message_inside_is_offered_whole():
    display = shown("forwarded.eml")

    assert display.text == "see the message inside"
    assert [(each.number, each.name) for each in display.attachments] == [("2", "inner.eml"), ("3", "plain one.eml")]
    assert extract(own("forwarded.eml"), "3").content == b"Subject: plain one\r\n\r\nbody of the plain one"


def test_texts_of_a_bounce_stand_one_after_the_other_and_the_report_is_offered():
    display = shown("bounce.eml")

    assert "It could not be delivered." in display.text
    assert [each.content_type for each in display.attachments] == ["message/delivery-status"]


def test_a_multipart_that_cannot_be_split_is_shown_as_it_is():
    assert "hello" in shown("boundary-missing.eml").text


def test_html_without_alternative_is_also_text():
    display = show(b"Content-Type: text/html\n\n<p>one<br>two</p><ul><li>three</ul><style>p{}</style>&lt;4", part_url)

    assert display.text == "one\ntwo\n\nthree\n<4"
    assert "<style" not in display.html


def test_text_and_html_in_a_row_are_both_in_the_frame():
    html = b"Content-Type: text/html\n\n<b>bold</b>\n"
    data = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\n1 < 2\n--a\n" + html + b"--a--\n"

    display = show(data, part_url)

    assert "<pre>1 &lt; 2</pre>" in display.html and "<b>bold</b>" in display.html
    assert display.text == "1 < 2\nbold"


def test_damaged_transfer_encodings_show_what_can_be_read():
    assert shown("broken-base64.eml").text == "Grüße\nhello world\nsoft break ü =ZZ"


def test_file_names_of_all_kinds():
    names = [each.name for each in shown("file-names.eml").attachments]

    assert names == ["Jahresübersicht%202025.xlsx", "Grüße.zip", "two words.png", "invoicegpj.exe"]


@pytest.mark.parametrize("number", ["", "0", "9", "1.1.1.1", "x", "-1", "1" * 5000, "²"])
def test_parts_that_are_not_there_cannot_be_extracted(number):
    assert extract(own("newsletter.eml"), number) is None


def test_a_part_is_extracted_decoded_with_a_harmless_name():
    pdf = extract(own("newsletter.eml"), "2")
    text = extract(own("newsletter.eml"), "1.1.1")

    assert (pdf.content, pdf.name, pdf.content_type) == (b"%PDF-1.4\n", "menu.pdf", "application/pdf")
    assert (text.content, text.charset) == (b"Caf\xe9 Blau: heute Kuchen.\r\n", "iso-8859-1")


def test_the_corpus_can_be_shown_and_every_attachment_extracted():
    for path, data in messages():
        display = show(data, part_url)
        check_safe(display.html)
        for each in display.attachments:
            part = extract(data, each.number)
            assert (part.name, part.content_type) == (each.name, each.content_type), path


@given(ANY_MAIL)
def test_any_bytes_can_be_shown(data):
    display = show(data, part_url)

    for each in display.attachments:
        assert extract(data, each.number) is not None


# Safe HTML

FORBIDDEN = re.compile(r"<(?:script|style|iframe|form|input|svg|base|meta|link|object)\b|\son\w+=|javascript:", re.I)


def check_safe(html):
    tags = "".join(re.findall(r"<[^>]*>", html))
    assert not FORBIDDEN.search(tags)


def test_a_hostile_message_is_disarmed():
    display = shown("hostile.eml")

    check_safe(display.html)
    assert "evil.example" not in display.html
    assert "alert" not in display.html
    assert "over" in display.html and "color: red" in display.html and "position" not in display.html
    assert display.blocked_remote == 2


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ('<img src="http://x/a.png">', '<img loading="lazy">'),
        ('<img src="//x/a.png">', '<img loading="lazy">'),
        ('<img src=" hTTps://x/a.png">', '<img loading="lazy">'),
        ('<img src="cid:known@x">', '<img src="/part/7" loading="lazy">'),
        ('<img src="cid:known%40x">', '<img src="/part/7" loading="lazy">'),
        ('<img src="cid:other@x">', '<img loading="lazy">'),
        ('<img src="/admin/logout">', '<img loading="lazy">'),
        ('<img src="data:image/svg+xml,<svg onload=alert(1)>">', '<img loading="lazy">'),
        ('<img srcset="http://x/a.png 2x">', '<img loading="lazy">'),
        ('<table background="http://x/a.png"></table>', "<table></table>"),
        ('<p style="background-image: url(http://x/a.png)">a</p>', '<p>a</p>'),
        ('<p style="background: URL (http://x/a.png)">a</p>', '<p>a</p>'),
        ('<p style="background: u\\72l(http://x/a.png)">a</p>', '<p>a</p>'),
        ('<p style="background: ur/**/l(http://x)">a</p>', '<p>a</p>'),
        ('<p style="background:image-set(\'http://x/a.png\' 1x)">a</p>', '<p>a</p>'),
        ('<p style="width: expression(alert(1))">a</p>', '<p>a</p>'),
        ('<p style="-moz-binding: url(x)">a</p>', '<p>a</p>'),
        ('<p style="position:absolute;z-index:9">a</p>', '<p>a</p>'),
        ('<p style="color:rgb(1, 2, 3)">a</p>', '<p style="color: rgb(1, 2, 3)">a</p>'),
        ('<p style="margin:calc(1px + 2%)">a</p>', '<p style="margin: calc(1px + 2%)">a</p>'),
        ('<p style="color:red;color:url(//x)">a</p>', '<p style="color: red">a</p>'),
        ("<p id=a class=b onclick=c>a</p>", "<p>a</p>"),
        ("<math><mi xlink:href=x>a</mi></math>b", "b"),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", None),
        ("<svg></p><style><a title='</style><img src=x onerror=alert(1)>'>", None),
        ("<!--><img src=x onerror=alert(1)>-->", None),
        ("<a href='java\nscript:alert(1)'>x</a>", None),
        ("<a href='&#106;avascript:alert(1)'>x</a>", None),
        ("<a href='data:text/html,<script>alert(1)</script>'>x</a>", None),
    ],
)  # fmt: skip
def test_what_is_left_of_html(source, html):
    cleaned = clean(source)

    check_safe(cleaned)
    assert "http" not in cleaned
    if html is not None:
        assert cleaned == html


def test_links_open_outside_and_tell_nobody_where_they_were_clicked():
    assert clean('<a href="https://example.com/?a=1&b=2" target="_self" rel="opener">x</a>') == (
        '<a href="https://example.com/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow">x</a>'
    )
    assert 'href="mailto:a@b"' in clean('<a href="mailto:a@b">x</a>')
    for href in ("//x/y", "/y", "#y", "ftp://x", "file:///etc/passwd", "vbscript:x", ""):
        assert "href" not in clean(f'<a href="{href}">x</a>')


def test_remote_pictures_are_loaded_over_https_where_the_page_left_it_open():
    assert 'src="https://x/a.png"' in clean('<img src="//x/a.png">', remote_allowed=True)
    assert "url(" not in clean('<p style="background: url(https://x/a.png)">a</p>', remote_allowed=True)


@given(st.text(max_size=200))
def test_any_text_is_safe_html(source):
    check_safe(clean(source))
    to_text(source)


HOSTILE = {
    "nested elements": "<div>" * 400_000,
    "nested elements behind scope markers": "<div><marquee></div></marquee>" * 60_000,
    "nested tables": "<tr><td><table>" * 100_000,
    "ampersands": "&" * 1_000_000,
    "attributes": "<p " + "".join(f"b{n} " for n in range(300_000)) + ">",
    "attributes without spaces": "<p" + "".join(f"/b{n}" for n in range(300_000)) + ">",
    "comments": "<!--" * 400_000,
    "tags without end": "<x" * 700_000,
    "quotes without end": '<p a="' * 300_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_takes_little_time(name):
    started = time.process_time()

    clean(HOSTILE[name])

    assert time.process_time() - started < 5.0


def test_real_html_is_within_the_budget():
    table = "<table>" + "<tr><td><b>a</b> &amp; <font color=red>b</font></td></tr>" * 4_000 + "</table>"
    picture = '<img src="data:image/png;base64,' + "iVBOR/w0K+Ggo/" * 20_000 + '">'

    assert within_budget(table) == table
    assert within_budget(picture) == picture
    assert "base64" in clean(picture)


def test_too_deep_elements_lose_their_tags_but_not_their_text():
    assert "inside" in clean("<div>" * 5_000 + "inside")
    assert clean("<div>" * 5_000).count("<div>") == MAX_DEPTH


# File names


@pytest.mark.parametrize(
    ("proposed", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\report.pdf", "report.pdf"),
        (".htaccess", "htaccess"),
        ("..", "part-2.pdf"),
        ("", "part-2.pdf"),
        (None, "part-2.pdf"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie_ x"),
        ("gpj\u202eexe.pdf", "gpjexe.pdf"),
        ("CON.txt", "part-2.pdf"),
        ("a  b\t.pdf", "a b_.pdf"),
        ("x.pdf. .", "x.pdf"),
        ("-rf", "rf"),
        ("Übersicht 2025.xlsx", "Übersicht 2025.xlsx"),
        ('a"b<c>|d?.txt', "a_b_c__d_.txt"),
    ],
)
def test_file_names_hold_no_surprise(proposed, name):
    assert safe_file_name(proposed, "application/pdf", "part-2") == name


def test_a_long_name_keeps_its_extension():
    name = safe_file_name("x" * 500 + ".tar.gz", "application/gzip", "part-2")

    assert len(name) == MAX_LENGTH and name.endswith("x.gz")


@given(st.text(max_size=300))
def test_any_name_is_safe(proposed):
    name = safe_file_name(proposed, "image/png", "part-1")

    assert 0 < len(name) <= MAX_LENGTH
    assert not set(name) & set('/\\"\r\n\0')
    assert not name.startswith((".", "-", " "))
