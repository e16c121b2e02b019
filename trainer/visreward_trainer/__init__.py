"""The GRPO trainer: rollouts from a vLLM server, rewards from the service.

It stands on the client and on TRL, and knows nothing of the service's inside. Importing the package or its
`commands` loads neither torch nor TRL.
"""
