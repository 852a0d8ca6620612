"""The contract of decisions: named scenarios, each a declaration and a table of requests with their answers.

    at       time after the first request of the scenario, which is at 2026-11-20T10:00:00Z
    asks     requested amount                      grants   granted amount: all of it, or 0
    reason   the decision's reason                 used     usage after the grant
    left     remaining quota, never below 0        over     usage beyond the limit; on a grant including the request
    level    of the highest threshold reached      takes    the largest amount that would be granted next; any: no bound
    again    `retry_at`; month: 1 December, the end of the period; -: null

Further words: `model=large` a dimension, `id=…` a request id, `partly` allow a part, `replayed` a repeated grant,
`would=…` the reason that an observing limit would have had. Lines with `!` happen between requests: `settle n a`
settles the decision of the n-th request to an amount, `resume` resumes, `limit n` changes the limit within the period.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Form = dict[str, Any]
MONTH: Form = {"every": "month"}
SLOW: Form = {"limit": 5, "per": "minute"}
SUSPEND: Form = {"at": "100%", "level": "over", "policy": "suspend_usage"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A limit as a catalog declares it, further limits on the same feature, and the requests."""

    name: str
    declared: Form
    further: tuple[Form, ...] = ()
    told: str = field(repr=False)

    @property
    def lines(self) -> list[str]:
        """The rows of the table, without its heading and comments."""
        lines = [line.partition("#")[0].strip() for line in self.told.splitlines()]
        return [line for line in lines if line and not line.startswith("at ")]


def limit(number: int | None, enforcement: str = "hard", *tiers: Form, **more: Any) -> Form:
    """A monthly limit."""
    form: Form = {"limit": number, "period": MONTH, "enforcement": enforcement, **more}
    return {**form, "tiers": list(tiers)} if tiers else form


def tier(at: str | int, level: str, policy: str, **parameters: Any) -> Form:
    return {"at": at, "level": level, "policy": policy, **parameters}


def scenario(name: str, declared: Form, told: str, *further: Form) -> Scenario:
    return Scenario(name=name, declared=declared, further=further, told=told)


WITHOUT_TIERS = (
    scenario(
        "a hard limit grants up to itself, equality included",
        limit(100),
        """
        at    asks  grants  reason          used  left  over  level   takes  again
        +0s   60    60      ok              60    40    0     normal  40     -
        +0s   41    0       quota_exceeded  60    40    0     normal  40     month
        +0s   40    40      ok              100   0     0     normal  0      -
        +0s   1     0       quota_exceeded  100   0     0     normal  0      month
        +11d  100   100     ok              100   0     0     normal  0      -       # another month
        """,
    ),
    scenario(
        "what never fits has no time to retry",
        limit(100),
        """
        +0s   101   0       quota_exceeded  0     100   0     normal  100    -
        """,
    ),
    scenario(
        "a limit of nothing denies everything",
        limit(0),
        """
        +0s   1     0       quota_exceeded  0     0     0     normal  0      -
        """,
    ),
    scenario(
        "without a limit all is granted and counted",
        limit(None),
        """
        +0s   1000  1000    unlimited       1000  any   0     normal  any    -
        """,
    ),
    scenario(
        "a soft limit grants beyond itself and says so",
        limit(100, "soft"),
        """
        +0s   100   100     ok                   100   0     0     normal  any    -
        +0s   20    20      soft_limit_exceeded  120   0     20    normal  any    -
        """,
    ),
    scenario(
        "a limit that observes grants, and says what it would have done",
        limit(100, "observe"),
        """
        +0s   100   100     ok        100   0     0     normal  any    -
        +0s   20    20      observed  120   0     20    normal  any    -       would=quota_exceeded
        """,
    ),
    scenario(
        "a limit that is off only counts",
        limit(100, "off"),
        """
        +0s   120   120     ok        120   0     20    normal  any    -
        """,
    ),
    scenario(
        "a part is what fits",
        limit(100),
        """
        +0s   60    60      ok              60    40    0     normal  40     -
        +0s   50    40      ok              100   0     0     normal  0      -       partly
        +0s   1     0       quota_exceeded  100   0     0     normal  0      month   partly
        """,
    ),
    scenario(
        "a retry is granted again and counted once, whatever has been used since",
        limit(100),
        """
        +0s   60    60      ok              60    40    0     normal  40     -       id=a
        +0s   40    40      ok              100   0     0     normal  0      -       id=b
        +30s  60    60      ok              100   0     0     normal  0      -       id=a  replayed
        +30s  1     0       quota_exceeded  100   0     0     normal  0      month   id=c
        """,
    ),
    scenario(
        "a limit that is lowered below what is used denies, and is not below zero",
        limit(100),
        """
        +0s   60    60      ok              60    40    0     normal  40     -
        ! limit 50
        +0s   1     0       quota_exceeded  60    0     10    normal  0      month
        ! limit 61
        +0s   1     1       ok              61    0     0     normal  0      -
        """,
    ),
)

THRESHOLDS = (
    scenario(
        "a level begins where usage reaches its threshold",
        limit(100, "hard", tier("80%", "warning", "notify_only"), tier("100%", "critical", "notify_only")),
        """
        +0s   79    79      ok              79    21    0     normal    21     -
        +0s   1     1       ok              80    20    0     warning   20     -
        +0s   20    20      ok              100   0     0     critical  0      -
        +0s   1     0       quota_exceeded  100   0     0     critical  0      month
        """,
    ),
    scenario(
        "deny at 100% grants exactly the limit, of a soft limit too",
        limit(100, "soft", tier("100%", "critical", "deny")),
        """
        +0s   100   100     ok              100   0     0     critical  0      -
        +0s   1     0       quota_exceeded  100   0     0     critical  0      month
        """,
    ),
    scenario(
        "deny at 120% of a hard limit takes the place of its end",
        limit(100, "hard", tier("120%", "over", "deny")),
        """
        +0s   100   100     ok               100   0     0     normal  20     -
        +0s   20    20      overage_allowed  120   0     20    over    0      -
        +0s   1     0       quota_exceeded   120   0     20    over    0      month
        """,
    ),
    scenario(
        "deny at 120% of a soft limit ends it there",
        limit(100, "soft", tier("120%", "over", "deny")),
        """
        +0s   110   110     soft_limit_exceeded  110   0     10    normal  10     -
        +0s   11    0       quota_exceeded       110   0     10    normal  10     month
        +0s   10    10      soft_limit_exceeded  120   0     20    over    0      -
        """,
    ),
    scenario(
        "deny at 80% keeps the rest of the limit back",
        limit(100, "hard", tier("80%", "reserve", "deny")),
        """
        +0s   80    80      ok              80    20    0     reserve  0      -
        +0s   1     0       quota_exceeded  80    20    0     reserve  0      month
        """,
    ),
    scenario(
        "a threshold may be an amount",
        limit(100, "hard", tier(30, "warning", "notify_only"), tier(50, "stop", "deny")),
        """
        +0s   30    30      ok              30    70    0     warning  20     -
        +0s   21    0       quota_exceeded  30    70    0     warning  20     month
        +0s   20    20      ok              50    50    0     stop     0      -
        """,
    ),
    scenario(
        "shares follow a changed limit, amounts do not",
        limit(100, "hard", tier(30, "some", "notify_only"), tier("80%", "reserve", "deny")),
        """
        +0s   80    80      ok              80    20    0     reserve  0      -
        ! limit 200
        +0s   80    80      ok              160   40    0     reserve  0      -
        ! limit 400
        +0s   1     1       ok              161   239   0     some     159    -
        """,
    ),
)

OVERAGE = (
    scenario(
        "overage without a bound",
        limit(100, "hard", tier("100%", "over", "allow_with_overage")),
        """
        +0s   100   100     ok               100   0     0     over    any    -
        +0s   500   500     overage_allowed  600   0     500   over    any    -
        """,
    ),
    scenario(
        "overage up to a bound beyond the limit",
        limit(100, "hard", tier("100%", "over", "allow_with_overage", max_overage=20)),
        """
        +0s   110   110     overage_allowed  110   0     10    over    10     -
        +0s   11    0       quota_exceeded   110   0     10    over    10     month
        +0s   10    10      overage_allowed  120   0     20    over    0      -
        +0s   1     0       quota_exceeded   120   0     20    over    0      month
        """,
    ),
    scenario(
        "overage allowed from below the limit is told only beyond it",
        limit(100, "hard", tier("80%", "warning", "allow_with_overage", max_overage=20)),
        """
        +0s   90    90      ok               90    10    0     warning  30     -
        +0s   20    20      overage_allowed  110   0     10    warning  10     -
        """,
    ),
    scenario(
        "a part of what reaches beyond the bound",
        limit(100, "hard", tier("100%", "over", "allow_with_overage", max_overage=20)),
        """
        +0s   150   120     overage_allowed  120   0     20    over    0      -       partly
        +0s   1     0       quota_exceeded   120   0     20    over    0      month   partly
        """,
    ),
)

GRACE = (
    scenario(
        "a grace by amount, then deny",
        limit(100, "hard", tier("100%", "over", "allow_with_grace", grace_amount=20)),
        """
        +0s   100   100     ok              100   0     0     over    20     -
        +0s   21    0       quota_exceeded  100   0     0     over    20     month
        +0s   20    20      grace           120   0     20    over    0      -
        +0s   1     0       quota_exceeded  120   0     20    over    0      month
        +11d  120   120     grace           120   0     20    over    0      -      # a new period, a new grace
        """,
    ),
    scenario(
        "a grace by time begins with the first unit beyond, and is over when its time is",
        limit(100, "hard", tier("100%", "over", "allow_with_grace", grace_for="P3D")),
        """
        +0s      100   100     ok              100   0     0     over    any    -
        +1d      10    10      grace           110   0     10    over    any    -      # begins here
        +3d23h   10    10      grace           120   0     20    over    any    -
        +4d      1     0       quota_exceeded  120   0     20    over    0      month
        +11d     110   110     grace           110   0     10    over    any    -      # a new period, a new grace
        +14d     1     0       quota_exceeded  110   0     10    over    0      +41d14h
        """,
    ),
    scenario(
        "dipping under the limit does not begin a grace anew",
        limit(100, "hard", tier("100%", "over", "allow_with_grace", grace_for="P3D")),
        """
        +0s    110   110     grace           110   0     10    over    any    -
        ! settle 1 50
        +1d    40    40      ok              90    10    0     normal  any    -
        +2d    20    20      grace           110   0     10    over    any    -
        ! settle 3 0
        +3d    10    10      ok              100   0     0     over    0      -
        +3d    1     0       quota_exceeded  100   0     0     over    0      month
        """,
    ),
    scenario(
        "a grace by amount and time is over with either",
        limit(100, "hard", tier("100%", "over", "allow_with_grace", grace_amount=20, grace_for="PT1H")),
        """
        +0s   105   105     grace           105   0     5     over    15     -
        +59m  16    0       quota_exceeded  105   0     5     over    15     month
        +59m  5     5       grace           110   0     10    over    10     -
        +1h   1     0       quota_exceeded  110   0     10    over    0      month
        """,
    ),
    scenario(
        "a grace that ends in overage",
        limit(
            100,
            "hard",
            tier("100%", "over", "allow_with_grace", grace_amount=20, then={"allow_with_overage": {"max_overage": 50}}),
        ),
        """
        +0s   120   120     grace            120   0     20    over    30     -
        +0s   30    30      overage_allowed  150   0     50    over    0      -
        +0s   1     0       quota_exceeded   150   0     50    over    0      month
        """,
    ),
    scenario(
        "a grace that ends in a slower rate",
        limit(
            100,
            "hard",
            tier("100%", "over", "allow_with_grace", grace_amount=20, then={"rate_limit": SLOW}),
        ),
        """
        +0s     120   120     grace            120   0     20    over    5      -
        +0s     5     5       overage_allowed  125   0     25    over    0      -
        +0s     1     0       rate_limited     125   0     25    over    0      +1m12s
        +1m12s  1     1       overage_allowed  126   0     26    over    0      -
        """,
    ),
    scenario(
        "a grace that ends in a suspension",
        limit(
            100,
            "hard",
            tier("100%", "over", "allow_with_grace", grace_for="P1D", then={"suspend_usage": {"until": "next_period"}}),
        ),
        """
        +0s   101   101     grace           101   0     1     over    any    -
        +1d   1     0       suspended       101   0     1     over    0      month
        ! limit 200
        +1d   1     0       suspended       101   99    0     normal  0      month
        +11d  1     1       ok              1     199   0     normal  any    -
        """,
    ),
    scenario(
        "a grace from below the limit",
        limit(100, "hard", tier("80%", "late", "allow_with_grace", grace_amount=10)),
        """
        +0s   85    85      grace           85    15    0     late    5      -
        +0s   6     0       quota_exceeded  85    15    0     late    5      month
        """,
    ),
    scenario(
        "a grace by time behind a slower rate runs out all the same",
        limit(
            100,
            "hard",
            tier("80%", "slow", "rate_limit", **SLOW),
            tier("100%", "over", "allow_with_grace", grace_for="P1D"),
        ),
        """
        +0s   80    80      ok               80    20    0     slow    5      -
        +1h   5     5       ok               85    15    0     slow    0      -
        ! settle 2 20
        +2h   5     5       overage_allowed  105   0     5     over    0      -      # the grace begins
        +3h   5     5       overage_allowed  110   0     10    over    0      -
        +1d2h 1     0       quota_exceeded   110   0     10    over    0      month
        """,
    ),
)

RATES = (
    scenario(
        "slower from 80%, and still no more than the limit",
        limit(100, "hard", tier("80%", "slow", "rate_limit", **SLOW)),
        """
        +0s     80    80      ok              80    20    0     slow    5      -
        +0s     5     5       ok              85    15    0     slow    0      -
        +0s     1     0       rate_limited    85    15    0     slow    0      +1m12s
        +1m12s  1     1       ok              86    14    0     slow    0      -
        +2h     15    0       quota_exceeded  86    14    0     slow    5      month
        +2h     6     0       rate_limited    86    14    0     slow    5      month   # more than the burst
        +2h     5     5       ok              91    9     0     slow    0      -
        +4h     5     5       ok              96    4     0     slow    0      -
        +6h     5     0       quota_exceeded  96    4     0     slow    4      month
        +6h     4     4       ok              100   0     0     slow    0      -
        +6h     1     0       quota_exceeded  100   0     0     slow    0      month
        """,
    ),
    scenario(
        "slower beyond the limit, for ever",
        limit(100, "hard", tier("100%", "slow", "rate_limit", **SLOW)),
        """
        +0s     100   100     ok               100   0     0     slow    5      -
        +0s     5     5       overage_allowed  105   0     5     slow    0      -
        +0s     1     0       rate_limited     105   0     5     slow    0      +1m12s
        +1h     5     5       overage_allowed  110   0     10    slow    0      -
        """,
    ),
    scenario(
        "what reaches beyond the threshold keeps the rate as a whole",
        limit(100, "hard", tier("80%", "slow", "rate_limit", **SLOW)),
        """
        +0s     78    78      ok              78    22    0     normal  5      -
        +0s     7     0       rate_limited    78    22    0     normal  5      month
        +0s     5     5       ok              83    17    0     slow    0      -
        """,
    ),
    scenario(
        "a part at the rate, where the rate takes part of it",
        limit(100, "hard", tier("80%", "slow", "rate_limit", **SLOW)),
        """
        +0s     90    80      ok              80    20    0     slow    5      -     partly
        +0s     9     5       ok              85    15    0     slow    0      -     partly
        +0s     9     0       rate_limited    85    15    0     slow    0      month partly
        """,
    ),
    scenario(
        "a rate of the limit itself is asked beside its tiers",
        limit(100, "hard", tier("50%", "slow", "rate_limit", **SLOW), rate={"limit": 60, "per": "minute"}),
        """
        +0s     50    50      ok              50    50    0     slow    5      -
        +0s     11    0       rate_limited    50    50    0     slow    5      month
        +0s     5     5       ok              55    45    0     slow    0      -
        """,
    ),
    scenario(
        "two quotas of one limit keep its slower rate together",
        {
            "windows": [{"limit": 100, "period": {"every": "day"}}, {"limit": 100, "period": MONTH}],
            "tiers": [tier("80%", "slow", "rate_limit", **SLOW)],
        },
        """
        +0s     80    80      ok              80    20    0     slow    5      -
        +0s     5     5       ok              85    15    0     slow    0      -
        +0s     1     0       rate_limited    85    15    0     slow    0      +1m12s
        """,
    ),
)

SUSPENSION = (
    scenario(
        "to reach the limit exactly suspends nothing, to reach beyond it does, until somebody resumes",
        limit(100, "hard", SUSPEND),
        """
        +0s   100   100     ok         100   0     0     over    0      -
        +0s   1     0       suspended  100   0     0     over    0      -
        +11d  1     0       suspended  0     100   0     normal  0      -      # no new period ends it
        ! resume
        +11d  1     1       ok         1     99    0     normal  99     -
        +11d  99    99      ok         100   0     0     over    0      -
        +11d  1     0       quota_exceeded  100  0  0    over    0      +41d14h  # waived until the window ends
        +42d  100   100     ok         100   0     0     over    0      -
        +42d  1     0       suspended  100   0     0     over    0      -      # another window
        """,
    ),
    scenario(
        "what would only pass the tier is denied and suspends nothing",
        limit(100, "hard", SUSPEND),
        """
        +0s   101   0       quota_exceeded  0     100   0     normal  100    -
        +0s   60    60      ok              60    40    0     normal  40     -
        +0s   41    0       quota_exceeded  60    40    0     normal  40     month
        +0s   40    40      ok              100   0     0     over    0      -
        +0s   0     0       ok              100   0     0     over    0      -     peek
        +0s   1     0       suspended       100   0     0     over    0      -
        """,
    ),
    scenario(
        "a suspension outlasts what it was for, and what was resumed stays waived",
        limit(100, "hard", SUSPEND),
        """
        +0s   100   100     ok              100   0     0     over    0      -
        +0s   1     0       suspended       100   0     0     over    0      -
        ! limit 1000
        +0s   1     0       suspended       100   900   0     normal  0      -
        ! resume
        +0s   1     1       ok              101   899   0     normal  899    -
        +0s   899   899     ok              1000  0     0     over    0      -
        +0s   1     0       quota_exceeded  1000  0     0     over    0      month
        """,
    ),
    scenario(
        "beyond a waived tier the enforcement decides",
        limit(100, "hard", {**SUSPEND, "at": "80%"}),
        """
        +0s   80    80      ok              80    20    0     over    0      -
        +0s   1     0       suspended       80    20    0     over    0      -
        ! resume
        +0s   1     1       ok              81    19    0     over    19     -
        +0s   20    0       quota_exceeded  81    19    0     over    19     month
        +0s   19    19      ok              100   0     0     over    0      -
        +0s   1     0       quota_exceeded  100   0     0     over    0      month
        """,
    ),
    scenario(
        "beyond a waived tier the enforcement of a soft limit grants",
        limit(100, "soft", SUSPEND),
        """
        +0s   100   100     ok                   100   0     0     over    0      -
        +0s   1     0       suspended            100   0     0     over    0      -
        ! resume
        +0s   50    50      soft_limit_exceeded  150   0     50    over    any    -
        """,
    ),
    scenario(
        "beyond a waived tier the tiers below it decide, and those above it hold",
        limit(
            100,
            "hard",
            tier("90%", "slow", "rate_limit", **SLOW),
            tier("100%", "over", "suspend_usage"),
            tier("120%", "gone", "suspend_usage", until="next_period"),
        ),
        """
        +0s     90    90      ok               90    10    0     slow    5      -
        +0s     5     5       ok               95    5     0     slow    0      -
        +2m     5     5       ok               100   0     0     over    0      -
        +4m     1     0       suspended        100   0     0     over    0      -
        ! resume
        +4m     6     0       rate_limited     100   0     0     over    5      month
        +4m     5     5       overage_allowed  105   0     5     over    0      -
        +6m     5     5       overage_allowed  110   0     10    over    0      -
        +8m     5     5       overage_allowed  115   0     15    over    0      -
        +10m    5     5       overage_allowed  120   0     20    gone    0      -
        +12m    1     0       suspended        120   0     20    gone    0      month
        """,
    ),
    scenario(
        "a grace that ended in a suspension is waived with it",
        limit(
            100,
            "hard",
            tier("80%", "late", "allow_with_grace", grace_amount=10, then={"suspend_usage": {"until": "resumed"}}),
        ),
        """
        +0s   90    90      grace           90    10    0     late    0      -
        +0s   1     0       suspended       90    10    0     late    0      -
        ! resume
        +0s   10    10      ok              100   0     0     late    0      -
        +0s   1     0       quota_exceeded  100   0     0     late    0      month
        """,
    ),
    scenario(
        "what another limit denies suspends nothing",
        limit(100, "hard", SUSPEND, rate={"limit": 200, "per": "minute", "burst": 200}),
        """
        +0s   100   100     ok              100   0     0     over    0      -
        +0s   101   0       rate_limited    100   0     0     over    0      -
        +0s   60    0       quota_exceeded  100   0     0     over    0      -      model=large
        +0s   40    0       suspended       100   0     0     over    0      -      model=large
        """,
        {"name": "large", "scope": {"model": "large"}, "limit": 50, "period": MONTH},
    ),
    scenario(
        "suspended until the next period",
        limit(100, "hard", {**SUSPEND, "until": "next_period"}),
        """
        +0s       100   100     ok         100   0     0     over    0      -
        +0s       1     0       suspended  100   0     0     over    0      month
        +10d13h   1     0       suspended  100   0     0     over    0      month
        +10d14h   1     1       ok         1     99    0     normal  99     -
        """,
    ),
    scenario(
        "suspended for an hour, and again",
        limit(100, "hard", {**SUSPEND, "until": "PT1H"}),
        """
        +0s   100   100     ok         100   0     0     over    0      -
        +0s   1     0       suspended  100   0     0     over    0      +1h
        +59m  1     0       suspended  100   0     0     over    0      +1h
        ! limit 150
        +1h   50    50      ok         150   0     0     over    0      -
        +1h   1     0       suspended  150   0     0     over    0      +2h
        """,
    ),
    scenario(
        "suspended until a top-up has no time",
        limit(100, "hard", {**SUSPEND, "until": "top_up"}),
        """
        +0s   100   100     ok         100   0     0     over    0      -
        +0s   1     0       suspended  100   0     0     over    0      -
        """,
    ),
    scenario(
        "a peek is denied too while usage is suspended",
        limit(100, "hard", SUSPEND),
        """
        +0s   100   100     ok         100   0     0     over    0      -
        +0s   0     0       ok         100   0     0     over    0      -      peek
        +0s   1     0       suspended  100   0     0     over    0      -
        +0s   0     0       suspended  100   0     0     over    0      -      peek
        """,
    ),
    scenario(
        "a part is granted before anything is suspended",
        limit(100, "hard", SUSPEND),
        """
        +0s   150   100     ok         100   0     0     over    0      -      partly
        +0s   1     0       suspended  100   0     0     over    0      -      partly
        """,
    ),
    scenario(
        "what was granted is repeated to its retry although usage is suspended",
        limit(100, "hard", SUSPEND),
        """
        +0s   100   100     ok         100   0     0     over    0      -      id=a
        +0s   41    0       suspended  100   0     0     over    0      -      id=b
        +0s   100   100     ok         100   0     0     over    0      -      id=a  replayed
        """,
    ),
    scenario(
        "the limit of a scope suspends its scope alone",
        limit(1000),
        """
        +0s   50    50      ok              50    950   0     normal  50     -      model=large
        +0s   51    0       quota_exceeded  50    950   0     normal  50     month  model=large
        +0s   50    50      ok              100   900   0     normal  0      -      model=large
        +0s   1     0       suspended       100   900   0     normal  0      -      model=large
        +0s   51    51      ok              151   849   0     normal  849    -      model=small
        +0s   1     1       ok              152   848   0     normal  848    -
        ! resume
        +0s   1     0       quota_exceeded  152   848   0     normal  0      month  model=large
        """,
        {"name": "large", "scope": {"model": "large"}, "limit": 100, "period": MONTH, "tiers": [SUSPEND]},
    ),
)

TOGETHER = (
    scenario(
        "what reaches across several tiers takes the strictest",
        limit(
            100,
            "hard",
            tier("80%", "warning", "notify_only"),
            tier("90%", "slow", "rate_limit", **SLOW),
            tier("100%", "over", "allow_with_overage"),
            tier("150%", "stop", "deny"),
            tier("200%", "gone", "suspend_usage"),
        ),
        """
        +0s     85    85      ok               85    15    0     warning  5      -
        +0s     66    0       quota_exceeded   85    15    0     warning  5      month
        +0s     60    0       rate_limited     85    15    0     warning  5      month
        +0s     5     5       ok               90    10    0     slow     5      -
        +0s     5     5       ok               95    5     0     slow     0      -
        +2m     5     5       ok               100   0     0     over     0      -
        +4m     5     5       overage_allowed  105   0     5     over     0      -
        +4m     96    0       quota_exceeded   105   0     5     over     0      -
        """,
    ),
    scenario(
        "of several limits the strictest decides, and nothing is counted in any",
        limit(1000, "hard", tier("100%", "over", "allow_with_overage")),
        """
        +0s     60    60      ok              60    940   0     normal  40     -
        +0s     41    0       quota_exceeded  60    940   0     normal  40     +14h
        +14h    41    41      ok              101   899   0     normal  59     -
        """,
        {"name": "daily", "limit": 100, "period": {"every": "day"}},
    ),
    scenario(
        "observed tiers say what they would have done",
        limit(
            100,
            "observe",
            tier("80%", "slow", "rate_limit", **SLOW),
            tier("110%", "stop", "deny"),
            tier("200%", "gone", "suspend_usage"),
        ),
        """
        +0s     110   110     ok        110   0     10    stop    any    -
        +0s     1     1       observed  111   0     11    stop    any    -     would=quota_exceeded
        +0s     100   100     observed  211   0     111   gone    any    -     would=quota_exceeded
        +0s     1     1       observed  212   0     112   gone    any    -     would=suspended
        """,
    ),
    scenario(
        "observed overage would have been allowed",
        limit(100, "observe", tier("100%", "over", "allow_with_overage", max_overage=20)),
        """
        +0s     120   120     ok        120   0     20    over    any    -
        +0s     1     1       observed  121   0     21    over    any    -     would=quota_exceeded
        """,
    ),
    scenario(
        "tiers of a limit that is off are levels, and nothing more",
        limit(100, "off", SUSPEND),
        """
        +0s     120   120     ok        120   0     20    over    any    -
        """,
    ),
    scenario(
        "a retry of what was granted by grace is granted by grace",
        limit(100, "hard", tier("100%", "over", "allow_with_grace", grace_amount=20)),
        """
        +0s     120   120     grace           120   0     20    over    0      -     id=a
        +1m     120   120     grace           120   0     20    over    0      -     id=a  replayed
        """,
    ),
)

SCENARIOS = (*WITHOUT_TIERS, *THRESHOLDS, *OVERAGE, *GRACE, *RATES, *SUSPENSION, *TOGETHER)
