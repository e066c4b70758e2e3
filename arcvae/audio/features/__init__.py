"""From waveforms to features."""
