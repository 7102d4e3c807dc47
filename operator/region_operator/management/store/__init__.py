"""SQL of the business tables."""
