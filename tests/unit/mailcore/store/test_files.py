"""Reading files without asking for their size first."""

import pytest

from mailcore.store import files


@pytest.mark.parametrize("size", [0, 1, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 3_000_000])
def test_a_file_is_read_to_its_end(tmp_path, size):
    content = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "file"
    path.write_bytes(content[:size])

    assert files.read(str(path)) == content[:size]


@pytest.mark.parametrize(("at_most", "size"), [(0, 0), (10, 10), (8192, 8192), (40_000, 40_000), (90_000, 50_000)])
def test_or_only_its_beginning(tmp_path, at_most, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(50_000))

    assert len(files.read(str(path), at_most)) == size
