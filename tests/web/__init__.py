"""The screen: its pages in a real browser, on a whole installation."""
