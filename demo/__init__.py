"""``make demo``: the main job end to end, on real parts, told as a story with timings."""
