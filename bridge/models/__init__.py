"""What is particular to one model: how to find it, feed it and start it."""
