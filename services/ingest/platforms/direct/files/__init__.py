"""Files of orders as people make them: told apart, read row by row within limits, and made into orders or problems.

Everything here is pure over the file it is given: the same bytes always give the same rows, orders and problems, so
that whoever was interrupted can go on. The only exception for what a file holds is `FileRefused`; what is wrong with
single rows are values (`Problem`).
"""
