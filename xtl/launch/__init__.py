"""What is on disk, who runs it, what failed and what happens next."""
