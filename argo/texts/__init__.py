"""The texts of a version: read as a stream, indexed on this machine, and compared with another version's."""
