"""The filter language: text to syntax tree (`syntax`), tree to mask over a table's rows (`evaluate`)."""
