"""Modified UTF-7 of RFC 3501 section 5.1.3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.store import modified_utf7


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a&b", "a&-b"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("🙂", "&2D3eQg-"),
        ("a\nb", "a&AAo-b"),
    ],
)
def test_examples(text, encoded):
    assert modified_utf7.encode(text) == encoded
    assert modified_utf7.decode(encoded) == text


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "./"]))
def test_what_is_encoded_is_decoded(text, avoid):
    encoded = modified_utf7.encode(text, avoid)

    assert not set(encoded) & set(avoid)
    assert modified_utf7.decode_exactly(encoded, avoid) == text


@pytest.mark.parametrize("encoded", ["&", "a&b", "&AAA", "ü", "&APw", "&*-", "&A-"])
def test_what_is_none_is_refused(encoded):
    with pytest.raises(ValueError, match=r".*"):
        modified_utf7.decode(encoded)


@pytest.mark.parametrize("encoded", ["&AGE-", "&APw-&APw-", "a.b"])
def test_another_spelling_is_refused(encoded):
    with pytest.raises(ValueError, match="usual spelling"):
        modified_utf7.decode_exactly(encoded, "." if "." in encoded else "")
