//! What happens to the record: disks that fill or cannot be written, files that rot, rows that somebody edits.

mod damage;
mod disk;
mod host;
mod tamper;
