"""Where data comes from, when a manifest says so: files of one's own, or another set of a hub."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from xtl.data.own.records import Format
from xtl.sweep.fields import Keys

_SUFFIXES = (
    ".json",
    ".jsonl",
    ".csv",
    ".tsv",
    ".parquet",
    ".conll",
    ".conllu",
    ".auto",
    ".txt",
    ".gz",
)

DataName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+_-]{0,63}$")]
Column = str | Annotated[int, Field(ge=0)]


class DataPlace(Keys):
    """What stands for a data set of the catalogue.

    `path`: a file, or a folder laid out as the hub's sets are; `{language}` in it stands for a
    language. Or `repo`: another set of the hub, in the schema of the one that it stands for.
    `config` and `split` say what is read of a folder or a repo. `columns` maps the family's
    columns to the file's.
    """

    path: Annotated[str, Field(min_length=1)] | None = None
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    config: str | None = None
    split: str | None = None
    format: Format = "auto"
    columns: dict[str, Column | tuple[Column, ...]] = Field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        """Rather than a folder or a repo: by its suffix, or because a format is given."""
        if self.path is None:
            return False
        return self.format != "auto" or PurePath(self.path).suffix.lower() in _SUFFIXES

    def __str__(self) -> str:
        """As YAML has it, in one line: what differs from the defaults."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(said, ensure_ascii=False, sort_keys=True)

    @property
    def digest(self) -> str:
        """8 hex digits of where the files are and how they are read: of another place, others."""
        path = os.path.normpath(self.path or "")
        body = json.dumps([path, self.format, self.columns], sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:8]

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, (Mapping, cls)):
            raise ValueError("a mapping such as {path: file.jsonl}")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.repo is None):
            raise ValueError("either `path` or `repo`")
        if not self.is_file and (self.columns or self.format != "auto"):
            raise ValueError("`columns` and `format` only for a file")
        if not self.is_file and "{language}" in (self.path or ""):
            raise ValueError("`{language}` in `path` only for files; of a folder, in `config`")
        if self.is_file and (self.config or self.split):
            raise ValueError("`config` and `split` only for a repo or a folder")
        if self.format == "bucc" and self.columns:
            raise ValueError("`columns` not with `format: bucc`, whose columns are known")
        return self


def _some(value: Any) -> Any:
    if isinstance(value, (list, tuple)) and not value:
        raise ValueError("one or more places")
    return value


def _single(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        raise ValueError(ONE_PLACE)
    return value


def _count(value: Any) -> str:
    return _SEVERAL if isinstance(value, (list, tuple)) else _ONE


ONE_PLACE = "one place, with {language} in its path"
"""What is expected of data by language, where several places are found."""

_ONE, _SEVERAL = "one[place]", "several[places]"

Place = Annotated[DataPlace, BeforeValidator(_single)]
"""One place."""

Places = Annotated[
    Annotated[DataPlace, Tag(_ONE)] | Annotated[tuple[DataPlace, ...], Tag(_SEVERAL)],
    Discriminator(_count),
    BeforeValidator(_some),
]
"""One place, or several whose rows stand one after another."""
