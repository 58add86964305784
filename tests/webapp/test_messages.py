"""Sending and looking at what was sent."""


from tests.webapp.driver import Driver


def test_a_message_is_in_the_log_when_it_is_accepted(gateway: Driver) -> None:
    """202 means durable: the record is there, with all that was resolved."""
    gateway.people("alice", "bob")
    told = gateway.send("alice", to=["bob"], metadata={"priority": 1})
    [record] = gateway.records()
    assert told == {"status": "accepted", "message_id": record.message_id, "conversation_id": record.conversation_id}
    assert (record.sender, record.payload.text, record.metadata) == ("alice", "hello", {"priority": 1})
    assert (record.members_version, record.recipients) == (1, ())
