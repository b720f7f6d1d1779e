"""What runs inside the container: settings, generation, outputs, datasets. Knows nothing of Argo."""
