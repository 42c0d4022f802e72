"""What goes wrong, staged: wishes from a faults file, incidents of the whole venue, lies in its answers."""
