"""The doors: one verb a file, each thin."""

import os

# numpy's OpenBLAS starts a thread a core as it is imported, 64 of them on some login nodes, for
# work that no verb has. What a verb starts is told nothing of it.
if "OPENBLAS_NUM_THREADS" not in os.environ:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy  # noqa: F401

    del os.environ["OPENBLAS_NUM_THREADS"]
