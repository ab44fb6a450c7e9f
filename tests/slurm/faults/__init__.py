"""Faults: each made by itself on a real cluster, each with what must come of it.

`python -m tests.slurm.faults` makes all of them, or those that it is told, and writes the table of
docs/reliability.md.
"""

from tests.slurm.faults import alike, cluster, disks, people, ranks, refusals

PARTS = (ranks, alike, cluster, disks, people, refusals)
"""Where faults are."""
