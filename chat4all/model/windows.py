"""Windows: for how long after a person's last message an account may write to them. Pure; no I/O. Times are ms UTC."""

from msgspec import Struct


class WindowRule(Struct, frozen=True):
    """A channel's rule. `open_s`: seconds after the person's last message; 0: at any time.

    `first`: the person must have written once before, whenever that was. `exempt`: the kinds of content that need no window.
    `human_s`: the same as open_s for what people write, where the provider granted the account that; 0: no longer.
    """

    open_s: int = 0
    human_s: int = 0
    first: bool = False
    exempt: frozenset[str] = frozenset()

    def window(self, last_wrote_at: int) -> "Window":
        """The window after what an address wrote last to an account; 0: nothing."""
        return Window(last_wrote_at, last_wrote_at + self.open_s * 1000 if self.open_s and last_wrote_at else 0, self)


class Window(Struct, frozen=True):
    """Until when an account may write to an address. `open_until` 0: there is no such time."""

    last_wrote_at: int
    open_until: int
    rule: WindowRule

    def is_open(self, now: int) -> bool:
        """Whether the account may write now, as far as is known: that somebody never wrote at all, only the provider knows."""
        return now < self.open_until if self.rule.open_s else True

    @property
    def human_until(self) -> int:
        """Until when what people write may go, where the account may do that; 0: there is no such time."""
        return self.last_wrote_at + self.rule.human_s * 1000 if self.rule.human_s and self.last_wrote_at else 0

    def needs_human(self, now: int) -> bool:
        """Whether nothing goes now but what people write, marked as such."""
        return not self.is_open(now) and now < self.human_until


ALWAYS = WindowRule()
