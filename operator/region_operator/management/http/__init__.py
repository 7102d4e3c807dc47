"""CloudStack's HTTP conventions: signature, session, envelope, paging, errors."""
