"""What identifies a setting (its key, from the content of its values) and the code that ran it."""

from superparams.identity.digests.canonical import canonical
from superparams.identity.digests.digest import (
    combine,
    digest,
    field_digest,
    field_digester,
    given_digest,
    key_of_text,
    key_text,
    seed_of,
)
from superparams.identity.module_names import main_name, module_name, set_main_name

__all__ = [
    "canonical",
    "combine",
    "digest",
    "field_digest",
    "field_digester",
    "given_digest",
    "key_of_text",
    "key_text",
    "main_name",
    "module_name",
    "seed_of",
    "set_main_name",
]
