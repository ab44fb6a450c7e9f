"""What xtl knows of Slurm clusters: profiles of some, and a testbed that is one."""
