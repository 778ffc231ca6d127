"""What one works with beside the pictures: forms, tables, the bench."""
