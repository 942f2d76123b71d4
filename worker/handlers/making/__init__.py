"""What a row becomes: a claimed export is made, checked, recorded."""
