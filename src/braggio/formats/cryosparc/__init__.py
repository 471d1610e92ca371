"""cryoSPARC metadata (.cs): structured npy files and CSDAT, read without unpickling anything.

Both are the same table: a ``uid`` and fields whose names end in their unit. What a job passes on from earlier jobs
stands in a second file with the same uids, the passthrough (`join_on_uid`).
"""

from braggio.formats.cryosparc.fields import CsColumn
from braggio.formats.cryosparc.files import field_names, read_cs, sniff, write_cs
from braggio.formats.cryosparc.join import join_on_uid

__all__ = ["CsColumn", "field_names", "join_on_uid", "read_cs", "sniff", "write_cs"]
