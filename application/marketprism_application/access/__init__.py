"""Who may see and do what: principals, roles, scopes, entitlements and limits, without any I/O."""
