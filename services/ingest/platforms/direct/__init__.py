"""Direct: orders that sellers give us themselves, by API, by file and by form; nothing is read from anywhere.

`orders` is the order as it is given and how it becomes a raw order, `problems` what is told of one that is refused.
"""
