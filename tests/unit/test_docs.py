"""The documents name only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def tree_paths() -> list[str]:
    """The paths of the tree in docs/architecture.md, from their indentation."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = text.partition("```tree\n")[2].partition("```")[0].splitlines()
    paths, above = [], []
    for line in lines:
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        above = [*above[:depth], name.rstrip("/")]
        paths.append("/".join(above))
    return paths


def test_every_path_of_the_tree_exists():
    paths = tree_paths()

    assert len(paths) > 100
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_module_is_in_the_tree():
    packages = ("mailcore", "smtpd", "accessd", "mailadmin")
    modules = {
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py" and "migrations" not in path.parts
    }

    assert modules - set(tree_paths()) == set()


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = LINK.findall(page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_rfc_table_names_modules_and_tests_that_exist():
    rows = re.findall(r"^\|[^|]+\|[^|]*\|([^|]+)\|([^|]+)\|$", (ROOT / "docs" / "rfc.md").read_text(), re.M)
    named = {path for cells in rows for cell in cells for path in re.findall(r"`([\w/.-]+\.py)`", cell)}

    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_no_document_names_a_path_of_a_developers_machine():
    offenders = [page.name for page in DOCS if re.search(r"(?<![\w.])/(work|root|home/\w+)/", page.read_text())]

    assert offenders == []
