"""What the end of a traceback says of a failure: by the type's name, and by its words. Pure."""

from __future__ import annotations

import re

from xtl.launch.records import FailureClass
from xtl.launch.signatures import Match, Weight, bare, match

_RAISED = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?:: (?P<text>.*))?$")
_LOST = frozenset(
    {"RuntimeError", "ConnectionError", "ConnectionResetError", "ConnectionAbortedError"}
    | {"ConnectionRefusedError", "BrokenPipeError", "TimeoutError", "DistError"}
    | {"DistBackendError", "DistNetworkError", "DistStoreError"}
)  # what a connection to a rank that has gone is raised as
_NAMED: dict[str, FailureClass] = {
    "DivergedError": "diverged",
    "DamagedError": "node",  # what was written and checked there reads otherwise: again, elsewhere
    "ConfigurationError": "configuration",
    "UserError": "data",
    "UnlockedError": "data",
    "MemoryError": "host-oom",
    "OutOfMemoryError": "gpu-oom",
    "ModuleNotFoundError": "configuration",
    "ImportError": "configuration",
    "PackageNotFoundError": "configuration",
    "ConnectionError": "communication",
    "ConnectionResetError": "communication",
    "ConnectionAbortedError": "communication",
    "ConnectionRefusedError": "communication",
    "BrokenPipeError": "communication",
    "DistBackendError": "communication",
    "DistNetworkError": "communication",
    "DistStoreError": "communication",
}
_PLAIN = frozenset({"DivergedError", "DamagedError", "UserError", "ConfigurationError"})


def class_of_raised(name: str, text: str) -> FailureClass:
    """The class of an exception by its type's name, with or without modules, and its words."""
    short = name.rpartition(".")[2]
    if short in _PLAIN:
        return _NAMED[short]
    found = match(text) if text else None
    if found and found.cls == "communication" and short not in _LOST and short != "OSError":
        found = None
    if found and found.weight in ("machine", "said", "loose", "cascade") and _fits(found, short):
        return found.cls
    return _NAMED.get(short, "code")


def raised(line: str) -> Match:
    """The last line of a traceback."""
    text = bare(line).strip()
    parts = _RAISED.match(text)
    name, words = (parts["name"], parts["text"] or "") if parts else ("", text)
    cls = class_of_raised(name, words)
    found = match(words) if cls in ("node", "host-oom") else None
    machine = found is not None and found.cls == cls and found.weight == "machine"
    weight: Weight = "cascade" if cls == "communication" else "raised"
    return Match(cls, "machine" if machine else weight, text)


def _fits(found: Match, name: str) -> bool:
    """Words of a missing module, or of a device, count where what was raised is no lookup of
    somebody's own: a KeyError's text is a key."""
    return name not in ("KeyError", "AttributeError", "NameError", "IndexError")
