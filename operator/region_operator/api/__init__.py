"""What users write and what the programs say to each other: pydantic models at the edges, pure."""
