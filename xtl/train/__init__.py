"""The loop, the DeepSpeed engine, checkpoints, schedules, rank agreement, hand-over."""
