"""Slurm: asking it, reading its answers, what it allows, and what a cluster is made of."""
