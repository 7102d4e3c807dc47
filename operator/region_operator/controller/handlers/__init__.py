"""kopf only: events of the three kinds into mailboxes."""
