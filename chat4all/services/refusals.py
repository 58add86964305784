"""What a service refuses, in its own words: which field is wrong, or what to do first."""


class Wrong(ValueError):
    """What somebody asked for cannot be; `field` names what is wrong, `code` how."""

    def __init__(self, field: str, why: str, code: str = "invalid") -> None:
        super().__init__(why)
        self.field, self.code = field, code


class NoSuch(LookupError):
    """There is none of this id."""


class Taken(Exception):
    """This id belongs to another one."""


class Conflict(Exception):
    """It cannot be as things are; `code` says why, the text what to do."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code
