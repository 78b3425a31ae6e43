"""What makes the files that the project keeps: sounds, the gallery, pictures for the docs."""
