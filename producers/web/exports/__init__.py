"""The pages of files: all files of a commune, one file, its bytes."""
