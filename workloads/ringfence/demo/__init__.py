"""`ringfence demo`: a story on real data, told with the same functions that the commands call."""
