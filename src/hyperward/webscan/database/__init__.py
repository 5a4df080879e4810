"""The address database: one immutable file per version, mapped into memory and shared by all processes.

`builder` writes it, `database` looks addresses up in it and says what an entry stands for, `layout` is its format.
"""

from hyperward.webscan.database.builder import BuildReport, build
from hyperward.webscan.database.database import Database, open_database
from hyperward.webscan.database.errors import DatabaseError
from hyperward.webscan.database.layers import Layers

__all__ = ["BuildReport", "Database", "DatabaseError", "Layers", "build", "open_database"]
