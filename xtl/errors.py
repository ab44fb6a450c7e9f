"""Errors that a user can mend."""


class UserError(Exception):
    """One clear line: the file, the key, what was found, what was expected. Exit status 2."""


class ConfigurationError(UserError):
    """Of settings that this machine, or what is on disk, does not go with."""
