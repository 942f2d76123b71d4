"""The page of a file's anomalies."""
