"""What has been learned, against what was to be learned."""
