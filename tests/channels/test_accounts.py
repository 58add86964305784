"""Addresses, limits and credentials."""

from pathlib import Path

import phonenumbers
import pytest
from msgspec.structs import replace

from chat4all.channels import CHANNELS, open_channel, unknown_channel, whatsapp_inbound
from chat4all.model.content import Media
from chat4all.settings import Settings, SettingsError

SECRETS = {
    "whatsapp": {"TOKEN": "t0ken", "PHONE_NUMBER_ID": "42", "APP_SECRET": "a", "VERIFY_TOKEN": "v"},
    "instagram": {"TOKEN": "t0ken", "ACCOUNT_ID": "42", "APP_SECRET": "a", "VERIFY_TOKEN": "v"},
    "telegram": {"BOT_TOKEN": "42:t0ken"},
    "messenger": {"TOKEN": "t0ken", "ACCOUNT_ID": "42", "APP_SECRET": "a", "VERIFY_TOKEN": "v"},
}


@pytest.mark.parametrize(
    ("channel", "written", "address"),
    [
        ("whatsapp", "+5511999990000", "+5511999990000"),
        ("whatsapp", "5511999990000", "+5511999990000"),
        ("whatsapp", " +55 (11) 99999-0000 ", "+5511999990000"),
        ("whatsapp", "+55 31 9688-3193", "+5531996883193"),
        ("whatsapp", "+521 55 1234 5678", "+525512345678"),
        ("whatsapp", "+54 9 11 2345-6789", "+5491123456789"),
        ("whatsapp", "+54 11 15 2345-6789", "+5491123456789"),
        ("whatsapp", "+54 (0)11 15 2345-6789", "+5491123456789"),
        ("whatsapp", "+44 (0)20 8366 1177", "+442083661177"),
        ("whatsapp", "+55 (0)11 99999-0000", "+5511999990000"),
        ("whatsapp", "+7 8 912 345-67-89", "+79123456789"),
        ("whatsapp", "+39 06 698 12345", "+390669812345"),
        ("whatsapp", "US.1234", "US.1234"),
        ("whatsapp", "US.ENT.118abc", "US.ENT.118abc"),
        ("instagram", "6789012345", "6789012345"),
        ("telegram", "123456789", "123456789"),
        ("telegram", "-1001234", "-1001234"),
        ("messenger", "6789012346", "6789012346"),
    ],
)
def test_an_address_has_one_form(channel: str, written: str, address: str, settings: Settings) -> None:
    """However people write an address, it is one address; writing it again changes nothing."""
    opened = open_channel(channel, settings)
    assert opened.address(written) == address
    assert opened.address(address) == address


@pytest.mark.parametrize(
    ("channel", "written"),
    [
        *(
            ("whatsapp", each)
            for each in ("", "+", "12345", "+0551199999000", "+551199999000012345", "ana", "us.1", "+55x1199990000")
        ),
        *(("instagram", each) for each in ("", "@ana", "12", "+6789012345", "06789012345")),
        *(("telegram", each) for each in ("", "@caio", "+5511999990000", "1.5", "0123456", "-0123456")),
        *(("messenger", each) for each in ("", "@ana", "ana.lima", "06789012345")),
        *(
            (channel, "\u0669\u0666\u0666\u0665\u0660\u0661\u0662\u0663\u0664")
            for channel in ("whatsapp", "instagram", "telegram", "messenger")
        ),
        *(
            (channel, "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18")
            for channel in ("whatsapp", "instagram", "telegram", "messenger")
        ),
    ],
)
def test_a_wrong_address_is_told_without_repeating_it(channel: str, written: str, settings: Settings) -> None:
    """What cannot be an address is refused with an example of a right one."""
    with pytest.raises(ValueError, match="such as") as caught:
        open_channel(channel, settings).address(written)
    assert len(written) < 2 or written not in str(caught.value)


def test_every_countrys_numbers_stay_as_they_are(settings: Settings) -> None:
    """A number as its country has it is one address: as digits, as people read it, and as WhatsApp names whoever answers."""
    opened = open_channel("whatsapp", settings)
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    tried = 0
    for number in (
        phonenumbers.example_number_for_type(each, kind) for each in phonenumbers.SUPPORTED_REGIONS for kind in kinds
    ):
        if number is None:
            continue
        written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if len(written) < 8:
            continue
        expected = whatsapp_inbound.number(written)
        shown = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        assert {opened.address(written), opened.address(shown.replace("/", " ")), opened.address(expected)} == {expected}
        tried += 1
    assert tried > 400


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_simulator_is_not_real_and_not_paced(channel: str, settings: Settings) -> None:
    """Without credentials the account says that it is simulated, and pacing is out of reach but never zero."""
    opened = open_channel(channel, settings)
    assert not opened.account.real
    assert opened.limits.account_per_second >= 10_000
    assert 0 < opened.limits.recipient_interval_s < 0.001
    assert opened.limits.recipient_paces == {}
    assert opened.limits.cost(Media("f", kind="video")) == 1
    assert opened.limits.text_length == type(opened).limits.text_length


@pytest.mark.parametrize("channel", SECRETS)
def test_credentials_make_it_real(channel: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With credentials the account is real and keeps the provider's pacing."""
    for name, value in SECRETS[channel].items():
        monkeypatch.setenv(f"{channel.upper()}_{name}", value)
    opened = open_channel(channel, settings)
    assert opened.account.real
    assert opened.account.account_id == "42"
    assert opened.limits == type(opened).limits


@pytest.mark.parametrize("channel", [name for name in SECRETS if len(SECRETS[name]) > 1])
def test_a_token_alone_is_not_enough(channel: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that are missing beside the token are named; the token is not."""
    monkeypatch.setenv(f"{channel.upper()}_TOKEN", "t0ken")
    with pytest.raises(SettingsError, match=f"{channel.upper()}_APP_SECRET") as caught:
        open_channel(channel, settings)
    assert "t0ken" not in str(caught.value)


def test_pacing_may_be_chosen(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment overrides the pacing; a wrong value is told by its name."""
    monkeypatch.setenv("WHATSAPP_RECIPIENT_INTERVAL_S", "0.5")
    monkeypatch.setenv("WHATSAPP_RECIPIENT_BURST", "2")
    monkeypatch.setenv("WHATSAPP_ACCOUNT_PER_SECOND", "80")
    limits = open_channel("whatsapp", settings).limits
    assert (limits.recipient_interval_s, limits.recipient_burst, limits.account_per_second) == (0.5, 2, 80)
    monkeypatch.setenv("WHATSAPP_ACCOUNT_PER_SECOND", "0")
    with pytest.raises(SettingsError, match="WHATSAPP_ACCOUNT_PER_SECOND"):
        open_channel("whatsapp", settings)


def test_retries_are_the_deployments_unless_a_channel_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value by itself, for each channel by itself."""
    settings = Settings(data=tmp_path, backoff_first_s=2, breaker_failures=7)
    monkeypatch.setenv("WHATSAPP_BACKOFF_FIRST_S", "0.5")
    monkeypatch.setenv("WHATSAPP_BREAKER_PROBE_S", "9")
    whatsapp, telegram = open_channel("whatsapp", settings).retries, open_channel("telegram", settings).retries
    assert telegram == settings.retry_policy
    assert whatsapp == replace(settings.retry_policy, backoff_first_s=0.5, breaker_probe_s=9)
    monkeypatch.setenv("WHATSAPP_BREAKER_FAILURES", "0")
    with pytest.raises(SettingsError, match="WHATSAPP_BREAKER_FAILURES"):
        open_channel("whatsapp", settings)


def test_text_is_measured_as_the_provider_does(settings: Settings) -> None:
    """Instagram counts bytes, WhatsApp characters."""
    assert open_channel("instagram", settings).limits.measure("çé") == 4
    assert open_channel("whatsapp", settings).limits.measure("çé") == 2


def test_polling_is_for_bots_without_a_public_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated bot is told by webhook unless asked otherwise; a real one without a public address fetches."""
    assert not open_channel("telegram", settings).polls
    monkeypatch.setenv("TELEGRAM_POLLING", "1")
    assert open_channel("telegram", settings).polls
    monkeypatch.delenv("TELEGRAM_POLLING")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "42:t0ken")
    assert open_channel("telegram", settings).polls
    public = settings.model_copy(update={"public_url": "https://chat.example"})
    assert not open_channel("telegram", public).polls


def test_an_unknown_channel_is_told_with_a_hint(settings: Settings) -> None:
    """A name that is nearly right gets the right one."""
    assert "Did you mean whatsapp?" in unknown_channel("watsapp")
    with pytest.raises(KeyError, match="known: whatsapp"):
        open_channel("pigeon", settings)


@pytest.mark.parametrize(
    ("channel", "written", "meant"),
    [
        ("whatsapp", "WHATSAPP_TOKN", "WHATSAPP_TOKEN"),
        ("telegram", "TELEGRAM_BOT_TOKE", "TELEGRAM_BOT_TOKEN"),
        ("instagram", "INSTAGRAM_APP_SECERT", "INSTAGRAM_APP_SECRET"),
        ("messenger", "MESSENGER_ACOUNT_ID", "MESSENGER_ACCOUNT_ID"),
    ],
)
def test_a_misspelt_credential_is_refused_with_the_right_name(
    channel: str, written: str, meant: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Passed over, the account would stay simulated in silence."""
    monkeypatch.setenv(written, "100000000000002")
    with pytest.raises(SettingsError, match=f"{written} is not a setting; {meant} is"):
        open_channel(channel, settings)
