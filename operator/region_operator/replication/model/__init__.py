"""Version vectors, row states, merge and rules; pure."""
