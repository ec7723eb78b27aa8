"""The notifier: takes alerts in, and tells people of them."""
