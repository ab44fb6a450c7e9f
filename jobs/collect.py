def collect() -> None:
    """x"""
