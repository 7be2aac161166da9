"""What goes on in a queue, for people and health checks. It reads, and changes nothing."""
