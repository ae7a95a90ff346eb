"""The store of activations: what a frozen trunk answers for each image and view, kept on disk."""
