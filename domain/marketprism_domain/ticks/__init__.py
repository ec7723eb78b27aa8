"""What is checked of every tick: order, rules, anomalies, quality, gaps, clocks."""
