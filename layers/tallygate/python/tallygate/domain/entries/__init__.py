"""Entries: what journal records consist of. Each write to a cell and each stored event has one, but for the addition of
usage by event to a cell, which the journal has already. Each kind is one dataclass.

    kind       written by                                 moves in its cell   moves in totals   fact
    use        a granted consume                          used, carried       value
    settle     its correction to another amount           used, followed      value
    event      an accepted event (writes no cell)                             value
    adjust     a manual adjustment of a limit             carried, adjusted   adjusted          quota.adjusted
    reset      a manual reset of usage                    used, followed      excluded
    carry      a new opening balance of a window          carried             carried
    follow     usage of other windows that follows        followed, carried   followed
    pass_on    later usage by event that follows too      followed            followed
    denied     the first denial by a limit in a window                                          usage.denied
    suspend    a suspension by a tier                                                           entitlement.suspended
    resume     the end of one by an operator                                                    entitlement.resumed
    grace, open, bump, tidy: maintenance of a cell

Proofs, totals and facts are derived from these moves. No other package asks for the kind of an entry. So a new kind
takes one dataclass here, and stored names of its fields.

Boundary: entries depend on counters and limits, and on no cell, store or JSON.

Read first: `moves.CellMoves`, `moves.TotalMove`, `usage.UseEntry`.
"""
