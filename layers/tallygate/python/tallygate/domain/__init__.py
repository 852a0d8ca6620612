"""Pure rules: standard library only, exact decimals, no clock, no ids, no I/O."""
