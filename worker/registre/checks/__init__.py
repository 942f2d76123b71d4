"""The anomalies of electors: the rules, and the cached findings that limit which rows are checked."""
