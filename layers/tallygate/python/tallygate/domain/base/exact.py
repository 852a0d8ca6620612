"""The one decimal context: every sum, difference and product of quantities is exact.

A quantity has at most 27 digits, a counter 38 (DynamoDB's bound), a factor 27, a step 9. Python's own context rounds
to 28, silently. EXACT holds every product of these. Only a quotient may need more digits; whoever divides says how the
result is rounded.

`install` makes it the context of the process, so that `a + b` is as exact as `EXACT.add(a, b)`, in every thread. The
package does so when it is imported: nothing here computes before. A test refuses any other context in the project.
"""

from __future__ import annotations

from decimal import Context, DefaultContext, setcontext

EXACT = Context(prec=120)


def install() -> None:
    """Let this thread, and each that computes from now on, use the exact context. Repeating changes nothing."""
    DefaultContext.prec = EXACT.prec
    setcontext(EXACT.copy())
