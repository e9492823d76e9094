"""A page of HTML."""

import pytest

from aiok_spark.core.errors import PathExistsError
from aiok_spark.core.page import table, text, write_page


def test_cells_are_texts_not_code():
    made = table(["a", "b"], [["<b>", None], [1.23456789, 7]], best=1)
    assert "<td>&lt;b&gt;</td><td></td>" in made
    assert '<tr class="best"><td>1.23457</td><td>7</td>' in made


def test_numbers_are_short():
    assert [text(value) for value in (0.1 + 0.2, 12, "x", None)] == ["0.3", "12", "x", ""]


def test_a_page_has_its_sections_and_makes_its_folder(tmp_path):
    path = write_page(str(tmp_path / "new/page.html"), "A & B", [("First", "<p>one</p>"), ("Second", "<p>two</p>")])
    page = (tmp_path / "new/page.html").read_text()
    assert path.endswith("page.html")
    assert "<h1>A &amp; B</h1><h2>First</h2><p>one</p><h2>Second</h2><p>two</p>" in page


def test_a_folder_is_no_page(tmp_path):
    with pytest.raises(PathExistsError, match="found a directory, expected a file for the page"):
        write_page(str(tmp_path), "A", [])
