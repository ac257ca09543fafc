"""The page *Report Sync Order*: server-rendered, readable without scripts, live with them.

It asks the same report port as the API. Its words are in `texts/`, by key, so that other languages can follow.
"""
