"""What people should do about a delivery that failed or waits, by its reason. Pure; no I/O."""

WRITES_FIRST = "Wait until they write; on WhatsApp send a template."
NOT_THERE = "Reach the person in another way: nobody is at this address."
CONTENT = "Change the message, and send it anew."
ACCOUNT = "Mend the account at the provider; what waits is sent then."
BY_ITSELF = "Nothing: it is tried again by itself."
LATER = "Send it anew later, if it is still worth it."

ADVICE = {
    "outside_window": WRITES_FIRST,
    "not_started": "Ask the person to start the bot.",
    "blocked": "Nothing: the person does not want it. They can write again. Whom the team blocks it can unblock.",
    "gone": NOT_THERE,
    "opted_out": "Nothing: the person asked for no such messages.",
    **dict.fromkeys(("undeliverable", "unknown_address", "invalid_recipient", "deactivated", "removed", "moved"), NOT_THERE),
    "not_allowed": "Add the number to those that the test account may write to.",
    "restricted_country": "Nothing: the provider does not send there.",
    **dict.fromkeys(("experiment", "ecosystem_limit"), LATER),
    **dict.fromkeys(("media", "no_picture", "no_text", "unsupported", "not_supported", "invalid"), CONTENT),
    "template_invalid": "Look at the template's name, language, parameters and status at the provider, and send it anew.",
    "no_names": "Nothing: in this chat polls are anonymous.",
    "forbidden": "Look at the provider's log: it forbids this for a reason that it does not name.",
    **dict.fromkeys(("target_gone", "too_late", "unchanged", "target_not_sent"), "Nothing: it can no longer be changed there."),
    **dict.fromkeys(("credentials", "account_blocked", "payment", "name_not_approved"), ACCOUNT),
    "spam_limit": "Write less to people who did not ask for it; what waits is tried again.",
    **dict.fromkeys(
        ("provider_error", "maintenance", "unreachable", "rate_limit", "pair_rate_limit", "no_answer", "unreadable_answer"),
        BY_ITSELF,
    ),
    "another_receiver": "End the other process that polls this bot.",
    **dict.fromkeys(("failed", "provider_failed"), "Look at the provider's log: it gave no code."),
    "cancelled": "Nothing: somebody cancelled it.",
    "superseded": "Nothing: it went another way.",
    "broadcast_stopped": "Nothing: its broadcast was stopped.",
    "expired": "Look why it was refused for so long; then replay it, or send it anew.",
    "no_identity": "Ask the person for an address on that channel; then replay it.",
    "identity_moved": "Nothing: the address is somebody else's now.",
    "unknown_channel": "Name a channel that there is.",
    "part_failed": "Mend what the part before it failed for; then replay it.",
    "set_aside": "See the dead letter of its record.",
    "account_paused": "Resume the account.",
    "account_removed": "Connect an account; then replay it.",
    "account_sealed": "Set the key again that the account's credentials were sealed with.",
}


def advice(reason: str) -> str:
    """What to do; empty where there is nothing to be done, or nothing is known."""
    if reason.startswith("code_"):
        return "Look the code up in the provider's documents."
    return BY_ITSELF if reason.startswith("http_") else ADVICE.get(reason, "")
