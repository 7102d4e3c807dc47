"""Which full scans may start now; pure: terms, reports of the agents and the time are arguments.

Nothing is remembered and nothing is random. A scan is named by what it is for (``UUIDv5(peering uid, slot or token)``),
so an operator that was away asks the agents what they have and knows which slots were served; it starts none twice and
loses none. Wall clocks decide *when* regions are compared, as a schedule must, and nothing about data.

    terms     ``api.scan_terms``: the policy, defaults filled in
    times     slots of an interval or cron with their jitter, windows of the week; time zones and daylight saving
    objective whether a schedule can hold its own objective
    wants     one peering: what it should run now, when next, and whether it is overdue
    starts    the fleet: who of those that want to may start, by limits, regions and fairness
"""
