"""What tests and their targets stand on."""
