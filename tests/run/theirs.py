"""A class of a package that only the user may trust."""


class Says:
    """Does nothing."""
