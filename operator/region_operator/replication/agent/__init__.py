"""The agent program: serves a feed, pulls from peers, obeys the operator's configuration."""
