"""The questions about stored data, as HTTP requests, and their answers in every form."""
