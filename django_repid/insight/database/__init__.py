"""The readers of connections whose messages are in a database."""
