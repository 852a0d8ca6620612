"""Entries: what a write to a cell, or a stored event, says of itself. One kind is one dataclass.

    kind       written by                                 in its cell         in totals   makes known
    use        a granted consume                          used, carried       value
    settle     its correction to another amount           used, followed      value
    event      an accepted event (no cell is written)                         value
    bring_in   usage by event, added to its cell          used
    adjust     an adjustment of a limit by hand           carried, adjusted   adjusted    quota.adjusted
    reset      a reset of usage by hand                   used, followed      excluded
    carry      a new opening balance of a window          carried             carried
    follow     usage of other windows that counts here    followed, carried   followed
    pass_on    later usage by event that counts here too  followed            followed
    denied     the first denial of a limit in a window                                    usage.denied
    suspend    a suspension by a tier                                                     entitlement.suspended
    resume     its end by hand                                                            entitlement.resumed
    grace, open, bump, tidy: what keeps a cell in order

Boundary: entries know counters and limits, and no cell, store or JSON. Proof, totals and facts are derived from what a
kind says here: no other room asks of which kind an entry is. A new kind is one dataclass here and one stored name.

Read first: `moves.CellMoves`, `moves.TotalMove`, `usage.UseEntry`.
"""
