"""What is shown while a run trades: the view, its drawing, and the terminal."""
