"""HTML of strangers -> HTML that may be shown in a sandboxed frame.

Three walls, of which this module is the first: an allow-list of elements and attributes (nh3, the ammonia
parser), an own pass over every URL and every style declaration that is left, and then the frame's sandbox and
Content-Security-Policy, which are the viewer's. Guarantees of the result: no script, form, frame, style sheet
or embedded object; nothing is loaded from elsewhere unless `remote_allowed`; links open outside and leak no
referrer; positions and layers cannot cover anything.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

import nh3

from mailcore.message.html_budget import within_budget

CidUrl = Callable[[str], str | None]


def _words(text: str) -> set[str]:
    return set(text.split())


_TAGS = _words(
    """
    a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div
    dl dt em figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small
    span strike strong sub sup table tbody td tfoot th thead tr tt u ul var wbr
    """
)
# Removed with what is in them; of other unknown elements the text stays.
_WITH_CONTENT = _words("script style title head noscript template iframe object svg math select textarea")
_CELL = {"abbr", "colspan", "rowspan", "headers", "scope", "nowrap", "background"}
_ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title", "align", "valign", "width", "height", "bgcolor"},
    "a": {"href"},
    "img": {"src", "alt", "border", "hspace", "vspace"},
    "table": {"border", "cellpadding", "cellspacing", "summary", "background", "rules", "frame"},
    "td": _CELL,
    "th": _CELL,
    "tr": {"background"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"color", "face", "size"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value", "type"},
    "hr": {"size", "color", "noshade"},
    "br": {"clear"},
    "blockquote": {"type"},
    "bdo": {"dir"},
}
_PROPERTIES = _words(
    """
    background background-color border border-bottom border-bottom-color border-bottom-style
    border-bottom-width border-collapse border-color border-left border-left-color border-left-style
    border-left-width border-radius border-right border-right-color border-right-style
    border-right-width border-spacing border-style border-top border-top-color border-top-style
    border-top-width border-width box-sizing caption-side clear color direction display empty-cells
    float font font-family font-size font-style font-variant font-weight height letter-spacing
    line-height list-style list-style-position list-style-type margin margin-bottom margin-left
    margin-right margin-top max-height max-width min-height min-width opacity overflow overflow-wrap
    padding padding-bottom padding-left padding-right padding-top table-layout text-align
    text-decoration text-indent text-transform unicode-bidi vertical-align white-space width
    word-break word-spacing word-wrap
    """
)
_LINK = re.compile(r"(?:https?://|mailto:|tel:)\S", re.IGNORECASE)
_REMOTE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"data:image/(?:png|gif|jpeg|jpg|webp|bmp)(?:;[a-z0-9=-]+)*,", re.IGNORECASE)
_HARMLESS_FUNCTION = re.compile(r"\b(?:rgba?|hsla?|calc|min|max)\([0-9a-z%.,\s/*+-]*\)", re.IGNORECASE)
_HARMLESS_VALUE = re.compile(r"[\w\s#%.,'\"!+/-]*")
_URL_VALUE = re.compile(r"url\(|image\(|image-set\(|src\(", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SafeHtml:
    """What may be shown, and how many things it would have loaded from other hosts."""

    html: str
    blocked_remote: int


def sanitise(source: str, cid_url: CidUrl, *, remote_allowed: bool) -> SafeHtml:
    """A safe fragment. `cid_url` gives the URL for a Content-ID (without brackets), None for unknown ones."""
    urls = _Urls(cid_url, remote_allowed=remote_allowed)
    cleaned = nh3.clean(
        within_budget(source),
        tags=_TAGS,
        clean_content_tags=_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=urls.filter,
        url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}, "img": {"loading": "lazy"}},
    )
    return SafeHtml(cleaned, urls.blocked)


def to_text(source: str) -> str:
    """The text of HTML, for people who prefer it and for excerpts: line breaks where blocks end, nothing
    else."""
    source = _BLOCK_END.sub("\n", within_budget(source))
    bare = nh3.clean(source, tags=set(), clean_content_tags=_WITH_CONTENT, attributes={}, link_rel=None)
    lines = (" ".join(line.split()) for line in html.unescape(bare).split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip()


_BLOCK_END = re.compile(
    r"</?(?:br|hr|p|div|tr|li|h[1-6]|table|ul|ol|dl|blockquote|pre|dd|dt|caption)\b[^<>]{0,400}>", re.IGNORECASE
)
_EMPTY_LINES = re.compile(r"\n{3,}")


class _Urls:
    """Looks at every attribute the allow-list let through; counts what it keeps from being loaded."""

    def __init__(self, cid_url: CidUrl, *, remote_allowed: bool) -> None:
        self._cid_url = cid_url
        self._remote_allowed = remote_allowed
        self.blocked = 0

    def filter(self, tag: str, attribute: str, value: str) -> str | None:
        """The value to keep. Elements that will go are asked about too, but keep nothing from being
        loaded."""
        if tag not in _TAGS:
            return None
        if attribute == "href":
            value = value.strip()
            return value if _LINK.match(value) else None
        if attribute in ("src", "background"):
            return self._image(value.strip())
        if attribute == "style":
            return self._style(value) or None
        return value

    def _image(self, url: str) -> str | None:
        if url[:4].lower() == "cid:":
            return self._cid_url(unquote(url[4:]))
        if _DATA_IMAGE.match(url):
            return url
        if not _REMOTE.match(url):
            return None
        if self._remote_allowed:
            return "https:" + url if url.startswith("//") else url
        self.blocked += 1
        return None

    def _style(self, style: str) -> str:
        return "; ".join(
            f"{name}: {value}"
            for name, value in map(_declaration, style.split(";"))
            if name in _PROPERTIES and self._is_harmless(value)
        )

    def _is_harmless(self, value: str) -> bool:
        if _URL_VALUE.search(value):
            self.blocked += bool(_REMOTE.search(value))
            return False
        return _HARMLESS_VALUE.fullmatch(_HARMLESS_FUNCTION.sub("", value)) is not None and "/*" not in value


def _declaration(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip().lower(), value.strip()
