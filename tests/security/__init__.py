"""Goals of an attacker that the product must prevent: each test is named after one."""
