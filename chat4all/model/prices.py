"""What messages cost by country and category, from a table that an operator keeps. Pure, but for reading the table.

No provider tells its prices beforehand over its API, and they change every few months: so the service knows none of its own.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import phonenumbers
from msgspec import Struct

COLUMNS = ("channel", "country", "category", "price", "currency", "valid_from")
# Where a country has no line of its own.
ELSEWHERE = "*"


class Price(Struct, frozen=True):
    """Of one message. `valid_from`: a date, as the operator wrote it."""

    amount: Decimal
    currency: str
    valid_from: str


class Share(Struct, frozen=True):
    """So many messages go to a country ("": nobody knows which); `price`: of each, where the table has one."""

    country: str
    messages: int
    price: Price | None = None


class Prices:
    """A table: CSV with the columns of `COLUMNS`. ValueError says what is wrong with it, by line."""

    def __init__(self, text: str = "") -> None:
        self._of: dict[tuple[str, str, str], Price] = {}
        rows = csv.DictReader(io.StringIO(text))
        if text and set(COLUMNS) - set(rows.fieldnames or ()):
            raise ValueError(f"prices: the first line names {', '.join(COLUMNS)}")
        for number, row in enumerate(rows, 2):
            try:
                amount = Decimal(row["price"])
            except (InvalidOperation, TypeError):
                raise ValueError(f"prices: line {number}: a price is a number, such as 0.0625") from None
            key = row["channel"], row["country"].upper(), row["category"].lower()
            self._of[key] = Price(amount, row["currency"], row["valid_from"])

    def of(self, channel: str, country: str, category: str) -> Price | None:
        """Of a message of this category to this country; None: the table does not say."""
        return self._of.get((channel, country, category)) or self._of.get((channel, ELSEWHERE, category))

    def shares(self, channel: str, category: str, addresses: Iterable[str]) -> list[Share]:
        """What goes where, most first."""
        counted = sorted(Counter(map(country_of, addresses)).items(), key=lambda each: (-each[1], each[0]))
        return [Share(country, number, self.of(channel, country, category)) for country, number in counted]


def country_of(address: str) -> str:
    """The country of a telephone number, as ISO 3166 calls it; empty: it is none, or of none."""
    try:
        return str(phonenumbers.region_code_for_number(phonenumbers.parse(address)) or "")
    except phonenumbers.NumberParseException:
        return ""
