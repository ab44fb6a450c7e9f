"""BUCC's own files of a pair of languages: two pools of sentences and their gold pairs, by split.

`zh-en.dev.zh` and `zh-en.dev.en` have a sentence a line, its id before a tab; `zh-en.dev.gold` has
a pair of ids a line. The names are those of XTREME's download, which calls the shared task's
`sample` dev and its `training` test; either name will do.
https://comparable.limsi.fr/bucc2018/bucc2018-task.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xtl.data.own.text import fault, lines, require_file

NAMES = {"dev": ("dev", "sample"), "test": ("test", "training")}
"""What the files call each split."""

_GOLD = "gold"
_STEM = re.compile(r"(?:.*\.)?([a-z]{2,3})-(en)")


def read_bucc(stem: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """(file and line, sentence) of every split that is there, the foreign pool first.

    Ids begin with their split, as the files number each anew. A foreign sentence's `match` has the
    ids of its translations. UserError for a pair whose sentence is in no pool.
    """
    for split, files in _found(stem).items():
        matches = _matches(files, split)
        for side, path in (("foreign", files[0]), ("english", files[1])):
            for number, (key, text) in _fields(path, "an id and a sentence"):
                _, match = matches.pop((side, key), (0, ""))
                yield (
                    f"{path.name}, line {number}",
                    {"id": _id(split, key), "text": text, "side": side, "split": split}
                    | {"match": match if side == "foreign" else ""},
                )
        for (side, key), (number, _) in matches.items():
            pool = files[0] if side == "foreign" else files[1]
            found = f"found {key}, expected the id of a sentence in {pool.name}"
            raise fault(files[2], f"line {number}", found)


def bucc_files(stem: Path) -> list[Path]:
    """The files that are read for what they all begin with, such as `bucc2018/zh-en`."""
    return [path for files in _found(stem).values() for path in files]


def _found(stem: Path) -> dict[str, tuple[Path, Path, Path]]:
    """Foreign pool, English pool and gold pairs of each split. UserError where there is none,
    where a split lacks one of the three, or where it is there under both its names."""
    named = _STEM.fullmatch(stem.name)
    if named is None:
        raise fault(stem, "", "expected what BUCC's files begin with, such as bucc2018/zh-en")
    found = {}
    for split, names in NAMES.items():
        each = [_three(stem, name, named[1], named[2]) for name in names]
        begun = [files for files in each if any(path.exists() for path in files)]
        whole = [files for files in begun if all(path.exists() for path in files)]
        if begun and not whole:
            raise _missing(begun[0])
        if len(whole) > 1:
            (_, _, one), (_, _, other) = whole
            expected = f"expected one alone: both are {split}"
            raise fault(other, "", f"found beside {one.name}, {expected}")
        if whole:
            found[split] = whole[0]
    if not found:
        first = _three(stem, "dev", named[1], named[2])[0]
        raise fault(first, "", "found no such file, expected BUCC's files of dev and of test")
    return found


def _three(stem: Path, name: str, foreign: str, english: str) -> tuple[Path, Path, Path]:
    one, other, gold = (
        stem.with_name(f"{stem.name}.{name}.{end}") for end in (foreign, english, _GOLD)
    )
    return one, other, gold


def _missing(files: tuple[Path, Path, Path]) -> Exception:
    path = next(path for path in files if not path.exists())
    there = ", ".join(each.name for each in files if each.exists())
    hint = ""
    if path.suffix == f".{_GOLD}":
        hint = " (XTREME's download deletes that of test: it is BUCC's training.gold)"
    return fault(path, "", f"found no such file, expected it beside {there}{hint}")


def _matches(files: tuple[Path, Path, Path], split: str) -> dict[tuple[str, str], tuple[int, str]]:
    """(side, id) → (first line, ids of the translations) of every sentence in a gold pair."""
    found: dict[tuple[str, str], tuple[int, dict[str, None]]] = {}
    for number, (one, other) in _fields(files[2], "two ids"):
        _, others = found.setdefault(("foreign", one), (number, {}))
        others[_id(split, other)] = None
        found.setdefault(("english", other), (number, {}))
    return {key: (number, " ".join(others)) for key, (number, others) in found.items()}


def _fields(path: Path, expected: str) -> Iterator[tuple[int, tuple[str, str]]]:
    require_file(path)
    for number, line in lines(path):
        first, tab, second = line.strip("\r\n").partition("\t")
        if not first and not tab:
            continue
        if not tab or not first.strip() or not second.strip():
            found = f"found {line.strip()[:40]!r}, expected {expected} with a tab between"
            raise fault(path, f"line {number}", found)
        yield number, (first.strip(), second.strip())


def _id(split: str, key: str) -> str:
    return f"{split}:{key}"
