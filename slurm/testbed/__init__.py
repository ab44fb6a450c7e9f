"""A real Slurm cluster on one machine, to be thrown away: for tests, and for trying things.

Needs root on Linux and Debian's Slurm packages (`make slurm-deps`). docs/testbed.md tells the rest.
"""

from slurm.testbed.cluster import Testbed
from slurm.testbed.layout import Settings
from slurm.testbed.processes import TestbedError
from slurm.testbed.waiting import until

__all__ = ["Settings", "Testbed", "TestbedError", "until"]
