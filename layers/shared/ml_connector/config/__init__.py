"""Connection files: the form in which people write a connection, checked whole before anything is stored.

Only `mlc` and the tests import this package; it is not shipped to Lambda, which reads the plain data it leaves.
"""
