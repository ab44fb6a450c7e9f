"""Faults: each made by itself on a real cluster, each with what must come of it.

`python -m tests.slurm.faults` makes all of them, or those that it is told, and writes the table of
docs/reliability.md.
"""

from tests.slurm.faults import cluster, disks, people, ranks

PARTS = (ranks, cluster, disks, people)
"""Where faults are."""
