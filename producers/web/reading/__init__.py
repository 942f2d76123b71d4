"""What the screen reads: one file per view of the contract, plain SQL through an account that only reads."""
