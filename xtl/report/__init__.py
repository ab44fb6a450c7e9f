"""What people read: a table in the terminal, and one self-contained HTML file."""
