"""Full scans: two regions are compared whole, chunk by chunk, and what differs is repaired through the merge."""
