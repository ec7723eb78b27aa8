"""Deployment as it is shipped: manifests, workflows and units are read by the tools that read them in production."""
