"""What messages cost by country and category, as far as the operator's table says."""

from decimal import Decimal

import pytest

from chat4all.model.prices import Price, Prices, Share, country_of

TABLE = """channel,country,category,price,currency,valid_from
whatsapp,br,MARKETING,0.0625,USD,2026-10-01
whatsapp,*,marketing,0.1,USD,2026-10-01
"""


def test_messages_are_counted_by_country_and_priced() -> None:
    """A country without a line has that of all others; without that one nobody says what it costs."""
    prices = Prices(TABLE)
    people = ["+5511999990000", "+5511999990001", "+4915112345678", "US.1"]
    brazil, others = (Price(Decimal(amount), "USD", "2026-10-01") for amount in ("0.0625", "0.1"))
    assert prices.shares("whatsapp", "marketing", people) == [
        Share("BR", 2, brazil),
        Share("", 1, others),
        Share("DE", 1, others),
    ]
    assert {each.price for each in prices.shares("whatsapp", "utility", people)} == {None}
    assert {each.price for each in Prices().shares("whatsapp", "marketing", people)} == {None}


def test_a_country_is_that_of_the_number() -> None:
    """Not of who shares its code, and of nothing that is no number."""
    assert [country_of(each) for each in ("+14165550123", "+12125550123", "17841400001", "")] == ["CA", "US", "", ""]


@pytest.mark.parametrize(("text", "words"), [("a,b\n", "first line"), (TABLE + "whatsapp,US,utility,cheap,USD,x\n", "line 4")])
def test_a_table_that_is_none_is_named(text: str, words: str) -> None:
    """With the line."""
    with pytest.raises(ValueError, match=words):
        Prices(text)
