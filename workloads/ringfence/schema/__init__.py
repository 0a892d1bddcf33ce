"""The declared schema of a dataset: what a person reviews, what a manifest publishes, and all that a task may know.

Names, ranges and categories here are declared by the owner and become public with the manifest; nothing in this package
looks at rows to find them (`ringfence.quality` proposes, a person decides).
"""

from ringfence.schema.columns import Column
from ringfence.schema.compare import check_same
from ringfence.schema.dataset import DatasetSchema, Rows
from ringfence.schema.document import dump_schema, load_schema, parse_schema

__all__ = ["Column", "DatasetSchema", "Rows", "check_same", "dump_schema", "load_schema", "parse_schema"]
