"""One owner, one mailbox: work on a resource is serial because it has one process; knows nothing of regions."""
