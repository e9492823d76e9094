"""What the user gave cannot be trained."""


class RefusedError(ValueError):
    """Says it in one line: ``<param>: found ..., expected ...; do this``.  The driver puts the stage before it."""
