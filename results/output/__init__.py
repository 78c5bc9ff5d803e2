"""Tables and documents of results: a file per format, shared texts (`words`), where they go (`emit`)."""
