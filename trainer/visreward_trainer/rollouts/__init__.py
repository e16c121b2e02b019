"""Where completions come from: the trainer's own process, or a server that speaks vLLM's API."""
