"""Facts as hypothesis draws them: few values, so that equal times and equal texts are common."""

from hypothesis import strategies as st

from chat4all.model.deliveries import Facts

times = st.integers(0, 3)
counts = st.integers(0, 3)
texts = st.sampled_from(["", "a", "b", "cancelled", "é", "\U0001f375"])
dated_texts = st.one_of(st.just((0, "")), st.tuples(st.integers(1, 3), texts))


def _facts(counted: tuple[int, ...], dated: tuple[tuple[int, str], ...], delivered_at: int, read_at: int) -> Facts:
    attempts, attempted_at, refusals, resends, resent_as = counted
    (sent_at, provider_id), (refused_at, refused_reason), (failed_at, failed_reason), (priced_at, price), bounced = dated
    return Facts(
        attempts=attempts,
        attempted_at=attempted_at,
        refusals=refusals,
        resends=resends,
        sent_at=sent_at,
        provider_id=provider_id,
        refused_at=refused_at,
        refused_reason=refused_reason,
        failed_at=failed_at,
        failed_reason=failed_reason,
        delivered_at=delivered_at,
        read_at=read_at,
        resent_as=resent_as,
        priced_at=priced_at,
        price=price,
        bounced_at=bounced[0],
        bounced_reason=bounced[1],
    )


facts = st.builds(_facts, st.tuples(*[counts] * 5), st.tuples(*[dated_texts] * 5), times, times)
