"""Fleets in one process: the real links, keepers and model, over stores in memory and a virtual network and time.

plans      what happens, drawn from a seed
loop       virtual time; how long everything takes is chance
network    messages between regions; ways that are cut
node       one region: database server, agent, its crashes
people     who write
fleet      runs a plan, heals everything, waits for rest
oracle     what may happen: told of every commit and page
verdict    what must be true in the end
histories  runs, shortens and reports
"""
