"""`xtl/cldr-lookup`: generated reading-comprehension data, a look-up of facts in 12 languages."""

from xtl.data.lookup.dataset import REPO, SEED, VERSION, build, recipe

__all__ = ["REPO", "SEED", "VERSION", "build", "recipe"]
