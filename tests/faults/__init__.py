"""What goes wrong in the world: awkward files, mutated bytes, kills."""
