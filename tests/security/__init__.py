"""What an attacker wants, and does not get: each test is named by it."""
