"""The dashboard's API: markets as the index has them, a few private notes, and the pages that show both."""
