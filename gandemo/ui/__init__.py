"""The page: one file a tab; callbacks parse, call, show. Importing it loads no torch."""
