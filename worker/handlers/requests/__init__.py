"""What an event asks: read, judged, written as rows, or refused with a reason."""
