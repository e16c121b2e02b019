"""The GRPO trainer: rollouts from a vLLM server, rewards from the service."""
