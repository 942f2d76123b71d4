"""The anomalies of one file, for the clerk who corrects them."""
