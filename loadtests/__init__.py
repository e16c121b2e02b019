"""Load tests: the traffic of a GRPO trainer against the service, beside the bare forward pass."""
