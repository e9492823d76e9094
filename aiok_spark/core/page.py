"""A page of HTML that needs no network: headings with figures, and a table."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from pyarrow.fs import FileType

from aiok_spark.core.errors import PathExistsError
from aiok_spark.core.files import open_system

_STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:1200px}table{border-collapse:collapse;font-size:smaller}"
    "td,th{border:1px solid #ccc;padding:.2em .5em;text-align:right}.best{background:#dfd;font-weight:bold}"
)


def write_page(path: str, title: str, sections: Sequence[tuple[str, str]], style: str = "") -> str:
    """Write headings, each with its HTML, as a page on any file system; gives the path."""
    system, place = open_system(path)
    if system.get_file_info(place).type == FileType.Directory:
        raise PathExistsError(f"report: {path}: found a directory, expected a file for the page; name one in it")
    parts = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}{style}</style></head><body><h1>{html.escape(title)}</h1>{parts}</body></html>"
    )
    if folder := place.rpartition("/")[0]:
        system.create_dir(folder, recursive=True)
    with system.open_output_stream(place) as out:
        out.write(page.encode())
    return path


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], best: int | None = None) -> str:
    """Rows of cells as HTML; the row with this number stands out."""
    lines = []
    for number, row in enumerate(rows):
        mark = ' class="best"' if number == best else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{html.escape(text(cell))}</td>" for cell in row) + "</tr>")
    return f"<table><tr>{''.join(f'<th>{html.escape(name)}</th>' for name in head)}</tr>{''.join(lines)}</table>"


def text(value: Any) -> str:
    """A value of a cell; nothing for None."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
