"""What is measured and compiled without any corpus."""
