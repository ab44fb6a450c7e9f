"""Whether W&B is online, and in which project: one rule for those who log and who read."""

from __future__ import annotations

import os


def project() -> str:
    """The W&B project: WANDB_PROJECT, or `xtl`."""
    return os.environ.get("WANDB_PROJECT") or "xtl"


def is_online() -> bool:
    """True when WANDB_MODE=online and a key is there; compute nodes often have no network."""
    return os.environ.get("WANDB_MODE", "").lower() == "online" and _has_key()


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    from wandb.sdk.lib.wbauth import read_netrc_auth
    from wandb.sdk.wandb_setup import singleton

    return read_netrc_auth(host=singleton().settings.base_url) is not None
