"""Everything the world says, as facts: Kubernetes objects, agents, and what passes leave behind for one another."""
