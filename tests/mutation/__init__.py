"""What the tests would not notice: small changes of the product's source, each of which some test must fail on."""
