"""Who comes, and whether what comes is theirs: identities, sessions, CSRF, headers, rates."""
