"""Four narrow stores: documents (catalogue), files by URI (objects), a dataset's rows (tables), recent events (live)."""
