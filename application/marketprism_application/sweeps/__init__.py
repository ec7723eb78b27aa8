"""Many runs of one question: which parameters are tried, over which days, and what the best of them is worth."""
