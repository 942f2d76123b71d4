"""The part of the page that we draw on: office printers leave out 4 to 6 mm at each edge; we leave 11 or more."""

from worker.pdf.book import PAGE_WIDTH

LEFT, TOP, BOTTOM = 36.0, 562.0, 34.0
RIGHT = PAGE_WIDTH - LEFT
WIDTH = RIGHT - LEFT
