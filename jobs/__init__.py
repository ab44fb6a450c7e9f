"""The doors: one verb a file, each thin."""
