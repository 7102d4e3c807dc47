"""The management server: a CloudStack-compatible API over a region's database."""
