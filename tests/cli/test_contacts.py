"""Contacts from the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat4all.model.conversations import Identity, User, UserKind
from chat4all.services.access import tokens
from chat4all.services.access.credentials import create_client
from chat4all.settings import Settings
from tests.bridges.road import Road, settings_in
from tests.cli.commands import Typed, gateway, quiet
from tests.webapp.channels import WhatsAppLike


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "data").model_copy(update={"broker": "memory://"})


@pytest.fixture
def typed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Typed]:
    road = Road(settings)
    road.store.add_users([User("c-1", UserKind.CONTACT, 1, "Carla")])
    road.store.claim_addresses([Identity("whatsapp", "+5511999990000", "c-1", 1)])
    create_client(road.store, "crm", ["send", "manage"])
    token = tokens.issue(road.store.users(["crm"])["crm"], tokens.ACCESS, 60, settings.secret("jwt"))
    with quiet(), gateway(settings, channels={"whatsapp": WhatsAppLike()}) as url:
        monkeypatch.setenv("CHAT4ALL_BASE_URL", url)
        monkeypatch.setenv("CHAT4ALL_TOKEN", token)
        yield Typed(monkeypatch, capsys)
    road.close()


def test_contacts_are_listed_changed_and_found_by_tag(typed: Typed) -> None:
    """A line says id, name, tags and addresses; attributes are numbers where they look like it."""
    assert typed.fine("contacts", "list").strip() == "c-1  Carla  whatsapp:+5511999990000"
    changed = typed.fine("contacts", "change", "c-1", "--tag", "vip", "--attribute", "age=7", "--attribute", "plan=pro=1")
    assert '"attributes":{"age":7,"plan":"pro=1"}' in changed
    assert "#vip" in typed.fine("contacts", "list", "--tag", "vip")
    assert typed.fine("contacts", "list", "--tag", "other") == ""
    assert '"tags":["vip"]' in typed.fine("contacts", "show", "c-1")
    assert '"opted_out":["whatsapp"]' in typed.fine("contacts", "consent", "c-1", "whatsapp", "revoked")


def test_a_table_of_contacts_comes_in_and_goes_out(typed: Typed, tmp_path: Path) -> None:
    """Twice is as once; a wrong line is named, and the others come in."""
    table = tmp_path / "people.csv"
    head = "address,display_name,tags,attribute.plan\n"
    table.write_text(f"{head}whatsapp:+5511999990000,Carla Souza,vip lead,pro\nwhatsapp:+5511999990001,Dora,,\n")
    for _ in range(2):
        assert typed.fine("contacts", "import", str(table)).strip() == "2 contacts"
    assert typed.fine("contacts", "export", "--tag", "vip").splitlines() == [
        "address,display_name,tags,notes,time_zone,attributes",
        'whatsapp:+5511999990000,Carla Souza,lead vip,,,"{""plan"": ""pro""}"',
    ]
    assert '"plan":"pro"' in typed.fine("contacts", "show", "c-1")
    table.write_text(f"{head}pigeon:1,x,,\nwhatsapp:+5511999990002,Ema,,\n")
    status, out, _ = typed("contacts", "import", str(table))
    assert (status, out.splitlines()[-1]) == (1, "1 contacts")
    assert out.startswith("line 2: ")


def test_what_is_wrong_is_said_in_a_line(typed: Typed) -> None:
    """An attribute without a value, a contact that there is not."""
    status, _, said = typed("contacts", "change", "c-1", "--attribute", "plan")
    assert status == 2
    assert "name=value" in said
    assert "no such contact" in typed.error("contacts", "show", "nobody")


def test_a_broadcast_is_written_and_started_and_stopped(typed: Typed) -> None:
    """Its line says how far it is, its results are a table."""
    typed.fine("contacts", "change", "c-1", "--tag", "news")
    name = typed.fine("broadcasts", "create", "whatsapp", "news", "Big", "sale", "--name", "June").split()[1]
    assert (
        typed.fine("broadcasts", "list").strip()
        == f"{name}  draft  June  whatsapp #news  0 accepted, 0 refused, 0 skipped, 0 waiting"
    )
    for change, state in (("start", "running"), ("pause", "paused"), ("stop", "stopped")):
        assert f"{name}  {state}" in typed.fine("broadcasts", change, name)
    assert f"{name}  stopped" in typed.fine("broadcasts", "watch", name)
    assert typed.fine("broadcasts", "results", name).startswith("contact_id,outcome,reason,address")
    assert "stopped" in typed.error("broadcasts", "start", name)


def test_a_broadcast_goes_to_a_table(typed: Typed, tmp_path: Path) -> None:
    """A template to its addresses, at decent hours; its results are written into a file."""
    table, out = tmp_path / "people.csv", tmp_path / "out.csv"
    table.write_text("address,name\n+5511999990000,Carla\n")
    more = ("--template", "hello_world/en_US", "--quiet", "21:00-08:00", "--zone", "America/Sao_Paulo", "--to", str(table))
    name = typed.fine("broadcasts", "create", "whatsapp", "", *more).split()[1]
    assert "whatsapp a list" in typed.fine("broadcasts", "list")
    assert typed.fine("broadcasts", "estimate", name).splitlines()[-1].startswith("1 messages, ")
    typed.fine("broadcasts", "results", name, "--out", str(out))
    assert out.read_text().startswith("contact_id,outcome")
    assert typed("broadcasts", "create", "whatsapp", "news", "x", "--to", str(table))[0] == 2
    table.write_text("telephone\n1\n")
    assert typed("broadcasts", "create", "whatsapp", "", "x", "--to", str(table))[0] == 2
