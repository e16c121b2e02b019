"""The Open Inference Protocol in protocol buffers: `inference.proto` and the code generated from it."""
