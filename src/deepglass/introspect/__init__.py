"""What goes on inside a network: its health, its boundaries, one row on its way, what its units would like to see."""
