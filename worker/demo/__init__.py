"""The demonstration commune LIBREVILLE and, from the same invented people, files of any size.

Nobody here exists: surnames are common nouns, the commune's code and post code are given to no place.
"""

from worker.demo.libreville import LIBREVILLE, libreville_rows, write_departement, write_reu

__all__ = ["LIBREVILLE", "libreville_rows", "write_departement", "write_reu"]
