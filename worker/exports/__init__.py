"""The record of what was asked and made, and the files themselves."""
