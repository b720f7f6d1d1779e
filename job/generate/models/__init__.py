"""Models: found by name, and loaded onto a device."""
