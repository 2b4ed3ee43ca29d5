"""What files of code define and use, read from their syntax trees once per content."""
