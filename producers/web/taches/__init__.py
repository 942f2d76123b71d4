"""« Ce que vous avez à faire »: the first page of a commune."""
