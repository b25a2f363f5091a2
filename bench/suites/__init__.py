"""What is measured, a module for each subject: each has NAME, TITLE and measure(bench)."""
