"""The studio: Likeness in a web page, for the one person who runs it. The first adapter, and the plainest."""
