"""The one decimal context: every sum, difference and product of quantities is exact.

Python's default context silently rounds to 28 digits. A quantity has at most 27 digits, a counter 38 (DynamoDB's
bound), a factor 27 and a rounding step 9. EXACT holds every product of these. Only a quotient may need more digits, so
code that divides states how the result is rounded.

`install` makes EXACT the context of the process: `a + b` is then as exact as `EXACT.add(a, b)`, in every thread. The
package calls `install` on import, before any module computes. A test refuses any other context in the project.
"""

from __future__ import annotations

from decimal import Context, DefaultContext, setcontext

EXACT = Context(prec=120)


def install() -> None:
    """Set the exact context for this thread and for every thread that has not computed yet. Idempotent."""
    DefaultContext.prec = EXACT.prec
    setcontext(EXACT.copy())
