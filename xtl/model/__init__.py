"""The encoder that everything is trained on and read from."""
