"""SQLite: how it is opened (`database`), its schema (`migrations`), and a file of plain SQL functions per noun."""
