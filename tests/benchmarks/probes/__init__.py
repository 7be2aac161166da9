"""What measures from inside a process of its own: clients, web requests, loops to compare with."""
