"""What our templates use."""
