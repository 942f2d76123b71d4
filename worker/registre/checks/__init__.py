"""What is wrong with electors: the rules, and where they are looked at."""
