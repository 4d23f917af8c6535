"""Reading the panel's pages in tests: form errors beside their fields, messages, the text without its markup."""

import html
import re
from typing import Any

from django.contrib.messages import get_messages


def errors_of(response: Any) -> dict[str, list[str]]:
    """field -> messages of the form on a page of the admin that was shown again."""
    assert response.status_code == 200, response.status_code
    form = response.context["adminform"].form if "adminform" in response.context else response.context["form"]
    return {field: [str(message) for message in messages] for field, messages in form.errors.items()}


def messages_of(response: Any) -> str:
    """What the page that follows will say on top."""
    return " | ".join(str(message) for message in get_messages(response.wsgi_request))


def text_of(response: Any) -> str:
    """What a person reads."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))
