"""Writers: from the register to the bytes of a file, one per format."""
