"""Generated pictures: minifcn's own `shapes`, of which this is a copy."""
