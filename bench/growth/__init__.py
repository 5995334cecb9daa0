"""What one answer costs as a shop grows: items, users, histories, filters."""
