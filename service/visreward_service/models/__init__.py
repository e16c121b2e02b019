"""Encoders: loading, preprocessing, forward. The one place that imports torch."""
