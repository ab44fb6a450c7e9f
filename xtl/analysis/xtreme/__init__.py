"""XTREME's predictions, scores and averages. Nothing here needs torch or pandas."""
