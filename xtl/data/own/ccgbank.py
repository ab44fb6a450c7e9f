r"""Sentences of CCGbank, in the `.auto` files that the LDC publishes (LDC2005T13).

A line `ID=wsj_0001.1 …` comes before each derivation, which is one line: nodes `(<T …> … )` and
leaves `(<L category tag tag word category>)`, the two tags Penn's as changed and as they were, the
last category with its predicate-argument structure. A word's supertag is the leaf's first
category. Words are as CCGbank has them: `-LRB-` for a bracket, `1\/2` for a fraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xtl.data.own.text import fault, lines

_ID = re.compile(r"ID=(\S+)")
_LEAF = r"\(<L (?P<category>[^ ]+) [^ ]+ [^ ]+ (?P<word>[^ ]+) [^ ]+?>\)"
_PART = re.compile(rf"\s*(?:{_LEAF}|(?P<opening>\(<T [^<>]+>)|(?P<closing>\)))\s*")
_SHOWN = 20


def read_ccgbank(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(line, record) of each sentence: `id`, `tokens` and `tags`."""
    name = ""
    for number, line in lines(path):
        if not line.strip():
            continue
        place, found = f"line {number}", _ID.match(line)
        if bool(found) == bool(name):
            expected = f"the derivation of {name}" if name else "`ID=…` before a derivation"
            raise fault(path, place, f"found {_short(line)}, expected {expected}")
        if found:
            name = found[1]
            continue
        leaves = list(_leaves(path, place, line))
        tokens, tags = [word for word, _ in leaves], [category for _, category in leaves]
        yield place, {"id": name, "tokens": tokens, "tags": tags}
        name = ""
    if name:
        raise fault(path, "", f"the file ends here, expected the derivation of {name}")


def _leaves(path: Path, place: str, line: str) -> Iterator[tuple[str, str]]:
    """(word, category) of each leaf of a whole derivation."""
    at = depth = 0
    while at < len(line):
        part = _PART.match(line, at)
        if part is None or (depth == 0 and (at or part["closing"])):
            expected = "`(<T …>`, `(<L …>)` or `)`" if depth or not at else "the end of the line"
            where = f"{place}, character {at + 1}"
            raise fault(path, where, f"found {_short(line[at:])}, expected {expected}")
        depth += bool(part["opening"]) - bool(part["closing"])
        if part["word"]:
            yield part["word"], part["category"]
        at = part.end()
    if depth:
        found = f"found the end of the line, expected {depth} more `)`: it may be cut"
        raise fault(path, place, found)


def _short(text: str) -> str:
    said = text.strip()
    return repr(said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…")
