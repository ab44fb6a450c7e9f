"""A figure as SVG to stand inside a page: no prolog, no metadata, own ids, themed colours."""

from __future__ import annotations

import io
import re
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

from xtl.report.axes import style
from xtl.report.palette import VARIABLES


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The `<svg>` element, the same bytes for the same figure.

    `name` makes the ids (letters, digits and hyphens are kept) unlike those of other pictures in
    the page; `description` is what a screen reader says. Colours become CSS variables, with
    themselves for a page that does not set them.
    """
    prefix = re.sub(r"[^A-Za-z0-9-]", "-", name)
    buffer = io.StringIO()
    with style():
        mpl.rcParams["svg.hashsalt"] = prefix
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    return _describe(_themed(_own_ids(text[text.index("<svg") :], prefix)), description)


def _own_ids(svg: str, prefix: str) -> str:
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    return re.sub(r"url\(#", f"url(#{prefix}-", svg)


def _themed(svg: str) -> str:
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable}, {colour})")
    return svg


def _describe(svg: str, description: str) -> str:
    """The opening tag without a size of its own: the page gives it one."""
    opening, rest = svg.split(">", 1)
    opening = re.sub(r'\s(width|height|version)="[^"]*"', "", opening)
    return f'{opening} role="img" aria-label="{escape(description)}">{rest.strip()}'
