"""« Journal » and « Messages »: who did what with the files, and what was sent to whom."""
