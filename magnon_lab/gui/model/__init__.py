"""What the windows show, read from files and tested without Qt."""
