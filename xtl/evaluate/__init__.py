"""A checkpoint on an evaluation set: one pass of the model over all languages, then scores."""
