"""The pages, one file each: what is shown, what is asked."""
