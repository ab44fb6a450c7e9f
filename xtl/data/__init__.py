"""Data: sources and the mirror, nested subsets, batches; the demo's encoder and its questions."""
