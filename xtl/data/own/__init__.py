"""A user's own files: records of any known format, one at a time, each with its place."""
