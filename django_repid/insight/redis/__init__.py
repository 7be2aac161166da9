"""What goes on in a Redis."""
