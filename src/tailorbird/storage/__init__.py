"""Four narrow stores: documents (catalogue), files by URI (objects), datasets' rows (tables), recent events (live)."""
