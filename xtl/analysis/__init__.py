"""From W&B runs to a table, its summaries and the declared contrast. Pure: no I/O, no clock."""
