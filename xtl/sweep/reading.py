"""Reading a manifest: from a file or text to a checked Manifest, or one clear line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from xtl.errors import UserError
from xtl.sweep.manifest import Manifest


def parse_manifest(text: str, source: str) -> Manifest:
    """The manifest in `text`; `source` names it in errors. Raises UserError, one line."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}:" if where else ""
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise UserError(f"{source}:{line} not YAML: {_one_line(problem)}") from None
    if not isinstance(data, dict):
        raise UserError(f"{source}: found {_one_line(data)}, expected a mapping of keys")
    try:
        return Manifest.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{source}: {explain(error, data)}") from None


def read_manifest(path: Path) -> Manifest:
    try:
        return parse_manifest(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: found no such file, expected a manifest (YAML)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {_one_line(error)}") from None


_WORDS = {
    "bool": "true or false",
    "dict": "a mapping of keys",
    "float": "a number",
    "int": "a whole number",
    "model": "a mapping of keys",
    "string": "text",
    "tuple": "a list",
}
"""What is expected instead of a value of another type, by how pydantic's types of errors begin."""


def explain(error: ValidationError, data: object = None) -> str:
    """The first problem as `key: found …, expected …`; entries of lists in `data` by their names,
    as a plan calls them."""
    first = error.errors(include_url=False)[0]
    keys = [part for part in first["loc"] if not _is_union_label(part)]
    where = ".".join(map(_readable, _named(keys, data)))
    if first["type"] == "value_error" and ": found " in first["msg"]:  # it names a key below
        return (f"{where}." if where else "") + str(first["msg"].removeprefix("Value error, "))
    key = where or "manifest"
    if first["type"] == "extra_forbidden":
        return f"{key}: found an unknown key, expected one that docs/manifest.md lists"
    if first["type"] == "missing":
        return f"{key}: found nothing, expected this key"
    unsaid = _says_nothing(first["input"], first["msg"])
    found = "" if unsaid else f"found {_one_line(first['input'])}, "
    return f"{key}: {found}expected {_wanted(first['type'], first['msg'])}"


def _named(keys: Sequence[int | str], data: object) -> Iterator[int | str]:
    """The keys, with a name for the number of an entry that has one of its own in its list."""
    for place, key in enumerate(keys):
        name = _name_of(data, key) if isinstance(key, int) else None
        asked = keys[place + 1 : place + 2]
        yield key if name is None or asked in (["name"], ["task"], ["set"]) else name
        data = _below(data, key)


def _name_of(entries: object, number: int) -> str | None:
    if not isinstance(entries, list):
        return None
    names = [_own_name(entry) for entry in entries]
    name = names[number]
    return name if names.count(name) == 1 else None


def _own_name(entry: object) -> str | None:
    keys = ("name", "task", "set")
    found = [entry[key] for key in keys if entry.get(key)] if isinstance(entry, dict) else []
    return found[0] if found and isinstance(found[0], str) else None


def _below(data: object, key: int | str) -> object:
    if isinstance(data, dict):
        return data.get(key)
    return data[key] if isinstance(data, list) and isinstance(key, int) else None


def _says_nothing(value: object, problem: str) -> bool:
    """Whether it is a mapping, or a list of some of which the problem already names one."""
    entries = value if isinstance(value, list) and "each entry once" in problem else ()
    return isinstance(value, dict) or any(isinstance(each, dict) for each in entries)


def _wanted(kind: str, message: str) -> str:
    """What is expected, out of an error of pydantic's."""
    of, _, problem = kind.partition("_")
    if of in _WORDS and problem in ("type", "parsing", "from_float"):
        return _WORDS[of]
    if kind == "too_short":
        return "one entry or more"
    text = " ".join(message.removeprefix("Value error, ").removeprefix("Input should be ").split())
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 400 else f"{text[:397]}…"  # it may list a catalogue


def _is_union_label(part: object) -> bool:
    return isinstance(part, str) and ("[" in part or part == "tuple")


def _readable(part: int | str) -> str:
    """A key as it is written, or with its line breaks and the like spelt out."""
    text = str(part)
    return text if text.isprintable() else repr(text)


def _one_line(value: object) -> str:
    text = " ".join(str(value).split()) if not isinstance(value, str) else repr(value)
    text = text.strip("'") if isinstance(value, str) and " " in value else text
    return text if len(text) <= 120 else text[:117] + "…"
