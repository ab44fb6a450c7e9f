"""What is trained on and evaluated: a torch-free catalogue, and one module a family of tasks."""
