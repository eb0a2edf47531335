"""The errors that are the user's to mend: each reaches them as one sentence."""


class InputError(Exception):
    """Something the user gave cannot be used; the message is the one sentence they will read."""


class UnusableError(InputError):
    """The input cannot give a corpus, with whatever patience: nothing of the work on it is worth keeping."""
