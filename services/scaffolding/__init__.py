"""Makes the folders of a new platform: a connector, a sandbox and their tests, small but working.

`templates` mirrors the tree that comes out of it; `making` fills it in and never touches what exists.
"""
