"""What all models of files have in common."""

from pydantic import BaseModel, ConfigDict


class FileModel(BaseModel):
    """A part of a file: no unknown keys, no conversions (text is not a number), unchangeable once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
