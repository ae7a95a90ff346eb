"""A trained model made into other forms: compiled for serving, and files for elsewhere."""
