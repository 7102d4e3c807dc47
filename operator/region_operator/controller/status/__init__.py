"""(spec, observed, outcome, now) -> conditions, one function per condition; pure."""
