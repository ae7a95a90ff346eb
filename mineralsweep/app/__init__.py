"""What a user asks for, one file a thing: composes the packages below, returns a result."""
