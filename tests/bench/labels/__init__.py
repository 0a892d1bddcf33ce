"""What to do with few labels and many rows, at one total epsilon."""
