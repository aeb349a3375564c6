"""The network: encoder, glance and focus decoders, collaborative matting."""
